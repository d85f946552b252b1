import pytest
import torch

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


@pytest.mark.parametrize("entry", [None, "params_ema", "state_dict", "model", "net_g"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("key", ["params", "params_ema", None])
def test_the_only_weights_in_a_file_are_meant(model, weights, tmp_path, entry, prefix, key):
    state = {f"{prefix}{name}": value for name, value in weights.items()}
    torch.save(state if entry is None else {entry: state, "iter": 3, "optimizer": {"state": {}}}, tmp_path / "a.pth")
    model.load_network(model.net_g, tmp_path / "a.pth", param_key=key)
    assert torch.equal(model.net_g.weight, weights["weight"]) and torch.equal(model.net_g.bias, weights["bias"])


def test_of_several_entries_one_has_to_be_named(model, weights, tmp_path):
    torch.save({"model": weights, "state_dict": weights}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError) as caught:
        model.load_network(model.net_g, tmp_path / "a.pth")
    assert str(caught.value) == (
        f"{tmp_path / 'a.pth'} has no 'params', but several entries with weights: model, state_dict. "
        "Set path: param_key_g to the one that is meant."
    )
    model.load_network(model.net_g, tmp_path / "a.pth", param_key="state_dict")
    assert torch.equal(model.net_g.weight, weights["weight"])


def test_an_empty_average_is_called_that(model, tmp_path):
    torch.save({"params_ema": {}}, tmp_path / "ema.pth")
    for key in ("params", "params_ema"):
        with pytest.raises(CheckpointError, match=r"ema\.pth holds no weights: "):
            model.load_network(model.net_g, tmp_path / "ema.pth", param_key=key)


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
    with pytest.raises(CheckpointError, match=r"a\.pth holds no weights: its entry params has none"):
        model.load_network(model.net_g, tmp_path / "a.pth")


def test_code_is_refused_whatever_the_default_of_torch(model, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "")
    torch.save({"params": Payload(tmp_path / "ran")}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth is refused because it could run code"):
        model.load_network(model.net_g, tmp_path / "a.pth")
    assert not (tmp_path / "ran").exists()
