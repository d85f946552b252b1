"""The weights of a network in a checkpoint, and how it gets them; errors name the file."""

import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from segsr_arch.errors import CheckpointError, WeightsFileError
from segsr_arch.weights.layouts import describe_layout, differences
from segsr_arch.weights.reading import read_state_dict


def read_weights(load_path: str | os.PathLike[str], param_key: str | None) -> tuple[dict[str, Tensor], str | None]:
    """Read the entry of a checkpoint that holds a network's weights.

    Args:
        load_path: Checkpoint file.
        param_key: Entry of the file to use, or None if it has no entries. Where there is no such entry, ``params``
            stands in for it, weights without an entry, or the only entry that holds weights.

    Returns:
        The weights by name, without a prefix for several GPUs, and the name of the entry that was used.

    Raises:
        CheckpointError: If the file cannot be read or lacks the entry.
    """
    entries = [] if param_key is None else list(dict.fromkeys((param_key, "params")))
    return read_state_dict(Path(load_path), entries=entries, remedy="Set path: param_key_g to the one that is meant.")


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], *, misfit: str, remedy: str) -> nn.Module:
    """Load a state dict in place if its names and shapes are the module's, and return the module.

    Args:
        module: Network, or a tower of a vision-language model.
        state: Its weights by name.
        misfit: Beginning of the message if they are not: whose weights they are not.
        remedy: Its end: what to do.

    Raises:
        WeightsFileError: If names or shapes differ: the file belongs to another architecture.
    """
    details = differences(module.state_dict(), state)
    if details:
        raise WeightsFileError(f"{misfit}: {details}.{describe_layout(state)} {remedy}")
    module.load_state_dict(state)
    return module


def put_weights(
    net: nn.Module,
    weights: Mapping[str, Tensor],
    load_path: str | os.PathLike[str],
    *,
    strict: bool,
    assign: bool = False,
) -> None:
    """Give a network its weights, in place.

    Args:
        net: The bare network.
        weights: Tensors by name.
        load_path: File that they come from, for messages.
        strict: Whether the names must match exactly.
        assign: As in ``torch.nn.Module.load_state_dict``.

    Raises:
        CheckpointError: If they belong to another network.
    """
    if not weights and net.state_dict():
        raise CheckpointError(
            f"{load_path} holds no weights: its entry for them is empty. Give the file that has them."
        )
    try:
        net.load_state_dict(weights, strict=strict, assign=assign)
    except CheckpointError as error:  # the network itself has said what is wrong, and what to do
        raise CheckpointError(f"{load_path}: {error}") from error
    except RuntimeError as error:
        lines = str(error).splitlines()
        details = "\n".join(lines[:6]) + (f"\n\t({len(lines) - 6} more)" if len(lines) > 6 else "")
        raise CheckpointError(
            f"{load_path} belongs to another network than the one in the option file; compare network_g "
            f"(upscale, sizes, depths) with the option file it was trained with.{describe_layout(weights)}\n{details}"
        ) from error
