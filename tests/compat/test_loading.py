import pytest
import torch

from segsr_arch.compat.loading import read_checkpoint
from segsr_arch.errors import CheckpointError
from tests.compat.helpers import Payload
from tests.compat.test_resume import make_model


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path)


@pytest.fixture
def weights():
    return torch.nn.Linear(2, 2).state_dict()


def test_entry_is_loaded_and_prefix_removed(model, weights, tmp_path):
    torch.save({"params_ema": {f"module.{name}": value for name, value in weights.items()}}, tmp_path / "a.pth")
    model.load_network(torch.nn.DataParallel(model.net_g), tmp_path / "a.pth", param_key="params_ema")
    assert torch.equal(model.net_g.weight, weights["weight"])


def test_params_stand_in_for_a_missing_entry(model, weights, tmp_path):
    torch.save({"params": weights}, tmp_path / "a.pth")
    model.load_network(model.net_g, tmp_path / "a.pth", param_key="params_ema")
    assert torch.equal(model.net_g.weight, weights["weight"])


def test_bare_state_dict(model, weights, tmp_path):
    torch.save(weights, tmp_path / "a.pth")
    model.load_network(model.net_g, tmp_path / "a.pth", param_key=None)
    assert torch.equal(model.net_g.bias, weights["bias"])
    with pytest.raises(CheckpointError, match=r"a\.pth has neither 'params' .* only: weight, bias.*param_key_g"):
        model.load_network(model.net_g, tmp_path / "a.pth")


def test_loosely(model, weights, tmp_path):
    torch.save({"params": {**weights, "bias": torch.zeros(5)}}, tmp_path / "a.pth")
    model.load_network(model.net_g, tmp_path / "a.pth", strict=False)
    assert torch.equal(model.net_g.weight, weights["weight"])


def test_weights_of_another_network(model, tmp_path):
    torch.save({"params": torch.nn.Linear(2, 3).state_dict()}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"(?s)a\.pth belongs to another network.*size mismatch for weight"):
        model.load_network(model.net_g, tmp_path / "a.pth")


def test_what_a_network_says_itself_is_not_explained_away(model, weights, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise CheckpointError("It was trained beside another model.")

    monkeypatch.setattr(model.net_g, "load_state_dict", refuse)
    torch.save({"params": weights}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError) as caught:
        model.load_network(model.net_g, tmp_path / "a.pth")
    assert str(caught.value) == f"{tmp_path / 'a.pth'}: It was trained beside another model."


@pytest.mark.parametrize("entry", [[1], {"weight": 1}])
def test_entry_that_holds_no_weights(model, tmp_path, entry):
    torch.save({"params": entry}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth: its entry params holds no weights.*param_key_g"):
        model.load_network(model.net_g, tmp_path / "a.pth")


def test_code_is_refused_whatever_the_default_of_torch(model, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "")
    torch.save({"params": Payload(tmp_path / "ran")}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth is refused because it could run code"):
        model.load_network(model.net_g, tmp_path / "a.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_file_cut_short(tmp_path, keep, zipped):
    path = tmp_path / "a.pth"
    torch.save({"params": torch.zeros(1000)}, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(CheckpointError, match=r"a\.pth cannot be read .*cut short"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"hello, this is text\n" * 9, bytes(1000)])
def test_file_that_is_no_checkpoint(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.pth cannot be read .*no checkpoint"):
        read_checkpoint(tmp_path / "a.pth")


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match=r"no file .*a\.pth"):
        read_checkpoint(tmp_path / "a.pth")
