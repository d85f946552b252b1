"""What a checkpoint of a diffusion network says about itself: what it was trained beside, and what its latents mean."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from segsr_arch.errors import CheckpointError

# Fixed, because BasicSR compares the sizes of equally named entries of two checkpoints.
_BYTES = 1024


def encode(description: Mapping[str, Any]) -> Tensor:
    """Write a description (JSON, filled up with spaces) into an uint8 tensor (1024,)."""
    encoded = json.dumps({"format": 1, **description}).encode().ljust(_BYTES)
    return torch.frombuffer(bytearray(encoded), dtype=torch.uint8)


def decode(
    state: Mapping[str, Any],
    own: Mapping[str, Any],
    *,
    frozen: Sequence[str] = ("frozen",),
    later: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Read the description in a checkpoint, and check that the network that is to get it is of the same kind.

    Args:
        state: Weights by name, ``_extra_state`` among them.
        own: What the network says of itself, identities of what is frozen left out.
        frozen: Under what names these stand.
        later: What checkpoints did not say at first: it is compared in those that do.

    Returns:
        The identity of each part that was frozen, see :class:`~segsr_arch.freezing.FrozenIdentity`, by these names.

    Raises:
        CheckpointError: If it is no checkpoint of such a network, damaged, or belongs to another one.
    """
    if "_extra_state" not in state:
        raise CheckpointError(
            f"This is no checkpoint of a diffusion network (it begins with {next(iter(state), 'nothing')!r}). Weights "
            f"of Stable Diffusion belong to network_g: stable_diffusion or stable_diffusion_xl."
        )
    try:
        found = json.loads(bytes(state["_extra_state"].cpu().tolist()))
        identities = {name: dict(found[name]) for name in frozen}
        theirs = {name: found[name] for name in own if name in found or name not in later}
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"What the checkpoint says of its network (_extra_state) cannot be read ({type(error).__name__}: {error}): "
            f"it is damaged, or that of another network."
        ) from error
    differing = [name for name, value in theirs.items() if value != own[name]]
    if differing:
        raise CheckpointError(
            "The checkpoint belongs to another network: "
            + ", ".join(f"{name} {theirs[name]} in the file, {own[name]} here" for name in differing)
            + ". Correct network_g."
        )
    return identities
