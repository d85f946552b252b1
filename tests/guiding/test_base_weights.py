"""Weights of a base in the formats in which authors publish them, and files that are none."""

import pytest
import torch
from safetensors.torch import save_file

from segsr_arch.errors import CheckpointError
from segsr_arch.guiding.base_weights import load_base_weights
from segsr_arch.zoo.named_networks import build_base
from tests.guiding.bases import base_options, build


def published(seed=7):
    torch.manual_seed(seed)
    return build_base(base_options("EDSR"))


def prefixed(prefix, state):
    return {f"{prefix}{name}": value for name, value in state.items()}


FORMATS = {
    "plain": lambda state: state,
    "params": lambda state: {"params": state},
    "params_ema": lambda state: {"params": published(1).state_dict(), "params_ema": state},
    "no average": lambda state: {"params_ema": {}, "params": state},
    "null average": lambda state: {"params_ema": None, "params": state},
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "model": lambda state: {"model": state, "optimizer": {}},
    "DataParallel": lambda state: prefixed("module.", state),
    "DataParallel in params": lambda state: {"params": prefixed("module.", state)},
    "compiled": lambda state: prefixed("_orig_mod.", state),
    "compiled DataParallel": lambda state: prefixed("module._orig_mod.", state),
}


@pytest.mark.parametrize("kind", [*FORMATS, "safetensors"])
def test_every_published_format_loads(kind, tmp_path):
    network = published()
    path = tmp_path / ("edsr.safetensors" if kind == "safetensors" else "edsr.pth")
    if kind == "safetensors":
        save_file(network.state_dict(), path)
    else:
        torch.save(FORMATS[kind](network.state_dict()), path)
    loaded = load_base_weights(published(2), str(path))
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


BROKEN = {
    "a list": [1, 2],
    "nothing": {"params": None},
    "a tensor": torch.zeros(2),
    "numbers as names": {1: torch.zeros(1)},
    "no tensors": {"params": {"conv": "weights"}},
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_holds_no_weights_is_refused_by_name(kind, tmp_path):
    path = tmp_path / "edsr.pth"
    torch.save(BROKEN[kind], path)
    with pytest.raises(CheckpointError, match=r"network_g: pretrain_base: .*edsr.pth holds no weights"):
        load_base_weights(published(), str(path))


def test_weights_of_another_network_are_told_in_short(tmp_path):
    path = tmp_path / "edsr.pth"
    torch.save(build_base({**base_options("EDSR"), "num_block": 3, "num_feat": 12}).state_dict(), path)
    with pytest.raises(CheckpointError) as caught:
        load_base_weights(published(), str(path))
    said = str(caught.value)
    assert "does not fit the EDSR of this option file: 4 unknown (body.2.conv1.bias, body.2.conv1.weight, ...)" in said
    assert "of another shape (" in said and "Correct network_g: base" in said and len(said) < 600


def test_a_checkpoint_of_the_whole_is_sent_to_its_place(tmp_path):
    path = tmp_path / "guided.pth"
    torch.save({"params": build("EDSR").state_dict()}, path)
    with pytest.raises(CheckpointError, match="whole guided network. Give it as path: pretrain_network_g"):
        load_base_weights(published(), str(path))
