"""Code in files that libraries read is not run; a user's own reading is left alone."""

import pickle
import sys
import types
import zipfile

import pytest
import torch

import segsr_arch  # noqa: F401
from segsr_arch.compat.repairs import library_loading
from segsr_arch.errors import UnsafeWeightsError, WeightsError, WeightsFileError
from segsr_arch.metrics.catalogue import find_metric
from tests.compat.helpers import Payload
from tests.metrics.backbones import write_vgg16
from tests.metrics.test_perceptual import FILES

NAME = "alexnet-owt-7be5be79.pth"
PLAIN = {
    "archive": lambda content, path: torch.save(content, path),
    "before archives": lambda content, path: torch.save(content, path, _use_new_zipfile_serialization=False),
    "pickle": lambda content, path: path.write_bytes(pickle.dumps(content)),
}


def zipped_in_the_old_way(content, path):
    """A zip archive with one file of torch in it, which the hub unpacks beside it."""
    inner = path.with_suffix(".inner")
    torch.save(content, inner, _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, "inner.pth")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def library():
    """A function that reads as code of torch-fidelity does."""
    module = types.ModuleType("torch_fidelity.reader")
    exec(  # a module of that name is what is recognised
        "import torch\n"
        "def load(f, **options): return torch.load(f, weights_only=False, **options)\n"
        "def script(f): return torch.jit.load(f)\n",
        module.__dict__,
    )
    return module


@pytest.mark.parametrize("write", [*PLAIN.values(), zipped_in_the_old_way], ids=[*PLAIN, "zipped in the old way"])
@pytest.mark.parametrize("asked", [{}, {"weights_only": False}])
def test_the_hub_runs_no_code_of_its_cache(hub, tmp_path, write, asked, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    write({"a": Payload(tmp_path / "ran")}, hub / NAME)
    with pytest.raises(UnsafeWeightsError, match=r"(alexnet-owt-7be5be79|inner)\.pth is refused because it could run"):
        torch.hub.load_state_dict_from_url(f"https://example.org/{NAME}", **asked)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("write", PLAIN.values(), ids=PLAIN)
def test_metrics_run_no_code_of_the_cache(hub, tmp_path, name, write):
    write({"a": Payload(tmp_path / "ran")}, hub / FILES[name])
    with pytest.raises(WeightsError) as caught:
        find_metric(name).load(device=torch.device("cpu"))
    said = str(caught.value)
    assert said.startswith(f"{name}: its weights cannot be loaded. {hub / FILES[name]} is refused because it could run")
    assert "Delete the file. Fetch https://" in said and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("own", [True, False])
def test_the_perceptual_loss_runs_no_code(hub, tmp_path, own, monkeypatch):
    from basicsr.losses import build_loss

    monkeypatch.chdir(tmp_path)
    path = tmp_path / "experiments/pretrained_models/vgg19-dcbb9e9d.pth" if own else hub / "vgg19-dcbb9e9d.pth"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"a": Payload(tmp_path / "ran")}, path)
    with pytest.raises(UnsafeWeightsError, match=r"vgg19-dcbb9e9d\.pth is refused because it could run code"):
        build_loss({"type": "PerceptualLoss", "layer_weights": {"conv1_1": 1}})
    assert not (tmp_path / "ran").exists()


def test_damage_is_found_in_the_cache_too(hub, tmp_path):
    path = write_vgg16(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"dists: its weights cannot be loaded\. .*vgg16-397923af\.pth .* damaged"):
        find_metric("dists").load(device=torch.device("cpu"))


def test_another_file_than_the_name_says_is_told(hub, caplog):
    torch.save({"a": torch.ones(2)}, hub / "net-01234567.pth")
    torch.save({"a": torch.ones(2)}, hub / "net.pth")
    for name in ("net.pth", "net-01234567.pth"):
        assert torch.equal(torch.hub.load_state_dict_from_url(f"https://example.org/{name}")["a"], torch.ones(2))
    (record,) = caplog.records
    assert "net-01234567.pth is not the file that was published under this name" in record.getMessage()


def test_a_library_reads_what_it_opened_itself_without_code(library, tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"a": Payload(tmp_path / "ran")}, path)
    with (
        path.open("rb") as file,
        pytest.raises(UnsafeWeightsError, match=r"a\.pth is refused because it could run code"),
    ):
        library.load(file)
    assert not (tmp_path / "ran").exists()
    torch.save({"a": torch.ones(2)}, path)
    assert torch.equal(library.load(path, map_location="cpu")["a"], torch.ones(2))
    with path.open("rb") as file:
        assert torch.equal(library.load(file)["a"], torch.ones(2))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsFileError, match=r"a\.pth cannot be read"):
        library.load(path)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_library_runs_no_torchscript_but_what_was_published(library, tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    with pytest.raises(
        UnsafeWeightsError, match=r"a\.pt is refused .* TorchScript archive.*torch\.jit\.load\('.*a\.pt'"
    ):
        library.script(path)
    assert len(library_loading._published()) >= 9  # of OpenAI
    monkeypatch.setattr(library_loading, "_published", lambda: {library_loading.file_digest(path)})
    assert library.script(path)(torch.ones(2)).shape == (2,)
    with path.open("rb") as file:
        assert library.script(file)(torch.ones(2)).shape == (2,)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_a_user_reads_in_code_of_his_own_is_his_business(tmp_path):
    torch.save({"a": types.SimpleNamespace(b=3)}, tmp_path / "a.pth")
    assert torch.load(tmp_path / "a.pth", weights_only=False)["a"].b == 3
    with pytest.raises(pickle.UnpicklingError):  # torch's own default and its own words
        torch.load(tmp_path / "a.pth")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "a.pt")
    assert torch.jit.load(tmp_path / "a.pt")(torch.ones(2)).shape == (2,)
    assert torch.load.__name__ == "load" and sys.modules["torch.serialization"].load is torch.load
