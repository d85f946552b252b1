"""States of all generators of random numbers in a process: Python's, numpy's, torch's and those of GPUs."""

import contextlib
import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """Take the states of all generators.

    Returns:
        Tensors, numbers and texts in plain containers, which a weights-only reader of checkpoints reads.
    """
    version, words, gauss = random.getstate()
    generator = np.random.get_state(legacy=False)
    key, position = generator["state"]["key"], generator["state"]["pos"]
    return {
        "python": [version, list(words), gauss],
        "numpy": [
            generator["bit_generator"],
            torch.from_numpy(key.astype(np.int64)),
            int(position),
            int(generator["has_gauss"]),
            float(generator["gauss"]),
        ],
        "torch": torch.get_rng_state(),
        "cuda": _cuda_states(),
    }


def restore_random_state(state: Mapping[str, Any]) -> bool:
    """Put all generators of this process into the states that :func:`random_state` took.

    Args:
        state: What it returned, here or in a process that has ended.

    Returns:
        Whether every generator got its state back; not those of GPUs where another number of them is in use.
    """
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, key, *rest = state["numpy"]
    np.random.set_state((name, key.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) != len(_cuda_states()):
        return False
    torch.cuda.set_rng_state_all(state["cuda"])
    return True


@contextlib.contextmanager
def kept_random_state(*, gpus: bool = True) -> Iterator[None]:
    """Let what is drawn in the block have no effect on what is drawn after it.

    Args:
        gpus: Whether it may draw on GPUs, too.
    """
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = _cuda_states() if gpus else []
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if cuda:  # none if the block is the first to use a GPU
            torch.cuda.set_rng_state_all(cuda)


def _cuda_states() -> list[torch.Tensor]:
    """States by GPU; none in a process that has not used one."""
    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.cuda.get_rng_state_all() if used else []
