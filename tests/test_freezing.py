"""Frozen parts: never in a checkpoint, supplied at load, known by their digest."""

import copy
import pickle

import pytest
import torch
from torch import nn

from segsr_arch.errors import CheckpointError
from segsr_arch.freezing import FrozenIdentity, KeepsFrozenOut, state_digest


def autoencoder(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 3))


def is_added(name):
    return name.startswith("added.")


class Latent(KeepsFrozenOut):
    """A trained layer beside a frozen autoencoder; records whose it is."""

    frozen_noun = "autoencoder"
    frozen_remedy = "Set network_g: autoencoder."

    def __init__(self, seed=0, *, adapted=False):
        super().__init__()
        self.encoder = autoencoder(seed)
        identity = FrozenIdentity(name="tiny", source=f"random({seed})", digest=state_digest(self.encoder.state_dict()))
        if adapted:
            self.encoder.add_module("added", nn.Conv2d(3, 3, 1))
        self.freeze("encoder", identity=identity, is_trained=is_added)
        self.layer = nn.Conv2d(3, 3, 1)

    def get_extra_state(self):
        return vars(self.identity)

    def set_extra_state(self, state):
        self.take_identity(FrozenIdentity(**state))


class Within(nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        self.inner = Latent(seed)


@pytest.mark.parametrize("prefix", ["", "inner."])
def test_frozen_weights_and_buffers_are_in_no_state_and_a_strict_load_asks_for_none(prefix):
    make = Within if prefix else Latent
    torch.manual_seed(1)
    saved, target = make(), make()
    state = saved.state_dict()
    assert set(state) == {f"{prefix}layer.weight", f"{prefix}layer.bias", f"{prefix}_extra_state"}
    frozen = [parameter.clone() for parameter in target.get_submodule(f"{prefix}encoder").parameters()]
    assert tuple(target.load_state_dict(state, strict=True)) == ([], [])
    for name, value in saved.named_parameters():
        assert torch.equal(target.get_parameter(name), value), name
    for value, parameter in zip(frozen, target.get_submodule(f"{prefix}encoder").parameters(), strict=True):
        assert torch.equal(value, parameter) and not parameter.requires_grad
    with pytest.raises(RuntimeError, match="layer.bias"):
        make().load_state_dict({name: value for name, value in state.items() if not name.endswith("bias")})


def test_what_was_added_to_the_frozen_part_is_trained_and_saved():
    module = Latent(adapted=True)
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    assert trained == {"encoder.added.weight", "encoder.added.bias", "layer.weight", "layer.bias"}
    assert set(module.state_dict()) == trained | {"_extra_state"}


def test_another_digest_is_refused_and_both_are_named():
    with pytest.raises(CheckpointError) as refused:
        Latent(1).load_state_dict(Latent(0).state_dict())
    text = str(refused.value)
    assert text.startswith("The checkpoint was trained with the autoencoder tiny with weights random(0) (digest ")
    assert "but this network has tiny with weights random(1)" in text and text.endswith("Set network_g: autoencoder.")


def test_weights_that_are_taken_in_travel_with_the_checkpoint_and_say_whose_they_are():
    saved, target = Latent(0), Latent(1)
    for module in (saved, target):
        module.take_in_frozen()
        assert not module.keeps_frozen_out
    target.load_state_dict(saved.state_dict())
    assert torch.equal(target.encoder[0].weight, saved.encoder[0].weight)
    assert target.identity == saved.identity and saved.identity.is_random


def test_copies_and_pickles_keep_it_out_by_themselves():
    module = Latent()
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert not [name for name in twin.state_dict() if name.startswith("encoder")]
        twin.take_in_frozen()
        assert "encoder.0.weight" in twin.state_dict() and "encoder.0.weight" not in module.state_dict()


def test_the_digest_is_that_of_names_shapes_and_float32_values():
    state = autoencoder(0).state_dict()
    digest = state_digest(state)
    assert digest == state_digest(dict(reversed(state.items()))) and len(digest) == 64
    assert digest == state_digest({name: value.double() for name, value in state.items()})
    changed = {**state, "0.bias": state["0.bias"] + 1e-6}
    renamed = {name.replace("0.bias", "9.bias"): value for name, value in state.items()}
    reshaped = {name: value.flatten() for name, value in state.items()}
    assert len({digest, *map(state_digest, (changed, renamed, reshaped))}) == 4
