"""Frozen parts of a network: their weights are in no checkpoint, which says instead whose they were."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from segsr_arch.errors import CheckpointError


@dataclass(frozen=True, kw_only=True)
class FrozenIdentity:
    """Which frozen weights a network was trained with.

    Attributes:
        name: Name of the model, of its configuration file, or ``inline``.
        source: Weights tag, name of the weights file, or ``random(seed)``.
        digest: SHA-256 (64 hex digits) of the weights, see :func:`state_digest`.
    """

    name: str
    source: str
    digest: str

    @property
    def is_random(self) -> bool:
        """Whether the weights were drawn and not trained, so that the model knows nothing."""
        return re.fullmatch(r"random\(\d+\)", self.source) is not None

    def __str__(self) -> str:
        return f"{self.name} with weights {self.source} (digest {self.digest[:12]})"


def state_digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names, shapes and float32 values of a state dict, in the order of the names."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().data)
    return digest.hexdigest()


def _none(_name: str) -> bool:
    return False


class KeepsFrozenOut(nn.Module):
    """Mixin of a module one part of which is frozen: a vision or text tower, an autoencoder.

    The frozen weights are left out of state dicts, and a strict load does not ask for them: they stand in for
    themselves. What surrounds the module records :attr:`identity` in its checkpoints, and hands what it finds there to
    :meth:`take_identity`.

    Attributes:
        identity: Whose the frozen weights are.
        stays: Whether it does not go where the network goes: it is moved by hand.
        frozen_noun: What the part is called in messages.
        frozen_remedy: A sentence that says how to get the part that a checkpoint was trained with.
    """

    identity: FrozenIdentity
    stays = False
    frozen_noun = "frozen model"
    frozen_remedy = "Give the network the one that the checkpoint was trained with."

    def freeze(
        self, part: str, *, identity: FrozenIdentity, is_trained: Callable[[str], bool] = _none
    ) -> "KeepsFrozenOut":
        """Freeze a part, once it is there, and keep it out of checkpoints; changes the module and returns it.

        Args:
            part: Name of the submodule.
            identity: Whose its weights are.
            is_trained: Tells by its name below the part whether a parameter was added to be trained, as LoRA is. A
                function of a module, so that the network can be pickled.
        """
        self.identity = identity
        self._frozen_part, self._is_trained = part, is_trained
        for name, parameter in self.get_submodule(part).named_parameters():
            parameter.requires_grad_(is_trained(name))
        self._hooks_of_frozen = [
            self.register_state_dict_post_hook(_drop_frozen),  # type: ignore[no-untyped-call]
            self.register_load_state_dict_pre_hook(_supply_frozen),  # type: ignore[no-untyped-call]
        ]
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "KeepsFrozenOut":
        """Move or cast it with the network that it is a part of, unless it stays."""
        if self.stays:
            return self
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    @property
    def keeps_frozen_out(self) -> bool:
        """Whether the frozen weights are in no checkpoint."""
        return bool(self._hooks_of_frozen)

    def take_in_frozen(self) -> None:
        """Let the weights of the part enter checkpoints from now on, which then say whose they are."""
        while self._hooks_of_frozen:
            self._hooks_of_frozen.pop().remove()

    def take_identity(self, recorded: FrozenIdentity) -> None:
        """Take in whose weights a checkpoint that is being loaded was trained with, or holds.

        Raises:
            CheckpointError: If they are others than those that are here and stay; both are named.
        """
        if self.keeps_frozen_out:
            self.check_identity(recorded, self.identity)
        else:
            self.identity = recorded

    @classmethod
    def check_identity(cls, recorded: FrozenIdentity, own: FrozenIdentity) -> None:
        """Check that a checkpoint was trained beside the same frozen weights.

        Args:
            recorded: What the checkpoint says.
            own: Identity of the part that is here.

        Raises:
            CheckpointError: If the digests differ; both parts are named.
        """
        if recorded.digest != own.digest:
            raise CheckpointError(
                f"The checkpoint was trained with the {cls.frozen_noun} {recorded}, but this network has {own}. "
                f"{cls.frozen_remedy}"
            )

    def _frozen_weights(self, prefix: str) -> dict[str, Tensor]:
        part = self.get_submodule(self._frozen_part).state_dict()
        return {
            f"{prefix}{self._frozen_part}.{name}": value for name, value in part.items() if not self._is_trained(name)
        }


def _drop_frozen(module: KeepsFrozenOut, state_dict: dict[str, Any], prefix: str, _metadata: object) -> None:
    for name in module._frozen_weights(prefix):
        state_dict.pop(name, None)


def _supply_frozen(module: KeepsFrozenOut, state_dict: dict[str, Any], prefix: str, *_: object) -> None:
    state_dict.update(module._frozen_weights(prefix))
