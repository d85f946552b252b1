"""The folder in which torch's hub keeps weights: an empty one, and one with random AlexNet and VGG-16."""

import pytest

from segsr_arch.metrics import entries
from tests.metrics.backbones import write_alexnet, write_inception, write_vgg16


@pytest.fixture(autouse=True)
def nothing_loaded():
    """Tests have different weights under the same names."""
    entries.forget_loaded()


@pytest.fixture
def empty_hub(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "torch"


@pytest.fixture(scope="module")
def _hub(tmp_path_factory):
    home = tmp_path_factory.mktemp("torch")
    with pytest.MonkeyPatch.context() as patch:
        write_alexnet(home)
        write_vgg16(home)
        write_inception(home, patch)
    return home


@pytest.fixture
def random_hub(_hub, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(_hub))
    return _hub
