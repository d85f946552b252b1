"""Random numbers that depend on what they are for alone: an image gets the same in any batch, process and order."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def generator_of(*, seed: int, keys: Sequence[int | str]) -> np.random.Generator:
    """Make a generator for one purpose.

    Args:
        seed: Of the run.
        keys: What the numbers are for, such as ``("noise", iteration, rank)`` or ``("validation", image name)``: other
            keys give independent numbers.

    Returns:
        A generator of its own: no global one is read or changed.
    """
    words = json.dumps([seed, *keys]).encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(words).digest(), "big"))


def noise_of(shape: Sequence[int], *, seed: int, keys: Sequence[int | str]) -> Tensor:
    """Draw standard normal noise for one purpose, on the CPU whatever the device it goes to, so that all draw the same.

    Args:
        shape: Of the result, such as (C, h, w) for the latents of an image.
        seed: Of the run.
        keys: See :func:`generator_of`.

    Returns:
        Float32 of that shape.
    """
    return torch.from_numpy(generator_of(seed=seed, keys=keys).standard_normal(tuple(shape), dtype=np.float32))
