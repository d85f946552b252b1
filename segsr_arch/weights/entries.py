"""Where in a file of weights the state dict stands, and under which prefix."""

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from segsr_arch.errors import WeightsFileError

_PREFIXES = ("module.", "_orig_mod.", "module.")  # compiled before or after it was wrapped for several GPUs


def choose_entry(
    content: Any, *, wanted: Sequence[str], path: str | os.PathLike[str], remedy: str
) -> tuple[Mapping[str, Tensor], str | None]:
    """Find the state dict in what a file holds.

    Args:
        content: What was read.
        wanted: Names of entries; the first one counts that is there and not empty.
        path: Where it was read, for messages.
        remedy: What to do where several entries may be meant, for messages.

    Returns:
        Names to tensors, and the name of their entry: the wanted one or, where there is none, the only one that holds
        tensors; ``None`` if they are not in an entry. None at all if all that is there is a wanted entry without any.

    Raises:
        WeightsFileError: If several entries may be meant, or none holds tensors.
    """
    if not isinstance(content, Mapping):
        raise WeightsFileError(f"{path} holds no weights, but a {type(content).__name__}. Give a state dict.")
    for name in wanted:
        if _is_state(content.get(name)):
            return content[name], name
    if _is_state(content):
        return content, None
    found = [name for name, value in content.items() if _is_state(value)]
    if len(found) == 1:
        return content[found[0]], found[0]
    if found:
        raise WeightsFileError(
            f"{path} has no {' or '.join(map(repr, wanted)) or 'weights at its top'}, but several entries with "
            f"weights: {', '.join(map(str, found))}. {remedy}"
        )
    there = next((name for name in wanted if name in content), None)
    if there is not None and content[there] == {}:  # of a network without any, such as one that interpolates
        return {}, there
    if there is not None:
        raise WeightsFileError(
            f"{path} holds no weights: its entry {there} has none (names and tensors). Give the file that has them."
        )
    names = ", ".join(str(name) for name in list(content)[:8])
    raise WeightsFileError(
        f"{path} holds no weights: no entry of it has names and tensors (there {'are ' + names if names else 'is none'}"
        f"). Give the file that has them."
    )


def _is_state(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(name, str) and torch.is_tensor(each) for name, each in value.items())
    )


def without_prefixes(state: Mapping[str, Tensor]) -> "OrderedDict[str, Tensor]":
    """Leave out the prefixes that wrappers for several GPUs and for compilation add to all names.

    Args:
        state: Names to tensors, with the versions of their modules as torch adds them, or without.

    Returns:
        The same tensors by their own names, with the versions.
    """
    versions = getattr(state, "_metadata", None)
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
            versions = versions and {f"{name}.".removeprefix(prefix)[:-1]: each for name, each in versions.items()}
    renamed = OrderedDict(state)
    if versions is not None:
        vars(renamed)["_metadata"] = versions
    return renamed
