"""Random numbers that depend on what they are for alone: an image gets the same in any batch, process and order."""

import contextlib
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

import numpy as np
import torch
from torch import Tensor

_BLOCK = 64  # side of the blocks in which a field of noise is drawn

_origin: ContextVar[tuple[int, int] | None] = ContextVar("origin", default=None)
_spacing: ContextVar[int] = ContextVar("spacing", default=1)


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
        Float32 of that shape; within :func:`noise_at` a part of a field.
    """
    origin = _origin.get()
    if origin is None:
        return torch.from_numpy(generator_of(seed=seed, keys=keys).standard_normal(tuple(shape), dtype=np.float32))
    top, left = (side // _spacing.get() for side in origin)
    return torch.from_numpy(_of_field(shape, top, left, seed=seed, keys=keys))


@contextlib.contextmanager
def noise_at(top: int, left: int) -> Iterator[None]:
    """Let what is sampled in the block be a window of something larger.

    Noise of a purpose is a field without end then, of which :func:`noise_of` gives the part that begins here: windows
    that overlap get the same noise where they do, whatever their sizes and order. That holds for all noise of a sample,
    and so for the solvers that draw some at each step.

    Args:
        top: First row of the window, in pixels of the output, from 0.
        left: Its first column.
    """
    token = _origin.set((top, left))
    try:
        yield
    finally:
        _origin.reset(token)


@contextlib.contextmanager
def noise_spaced(pixels: int) -> Iterator[None]:
    """Say of what is drawn in the block how far its values lie apart, in pixels of the output, along each side."""
    token = _spacing.set(pixels)
    try:
        yield
    finally:
        _spacing.reset(token)


def _of_field(shape: Sequence[int], top: int, left: int, *, seed: int, keys: Sequence[int | str]) -> np.ndarray:
    """Part (..., h, w) of a field, which consists of blocks that are drawn apart."""
    *channels, height, width = shape
    first_row, first_column = top // _BLOCK, left // _BLOCK
    rows = range(first_row, -(-(top + height) // _BLOCK))
    columns = range(first_column, -(-(left + width) // _BLOCK))
    blocks = np.empty((*channels, len(rows) * _BLOCK, len(columns) * _BLOCK), np.float32)
    for row, column in itertools.product(rows, columns):
        block = generator_of(seed=seed, keys=(*keys, "block", row, column))
        y, x = (row - first_row) * _BLOCK, (column - first_column) * _BLOCK
        drawn = block.standard_normal((*channels, _BLOCK, _BLOCK), dtype=np.float32)
        blocks[..., y : y + _BLOCK, x : x + _BLOCK] = drawn
    y, x = top - first_row * _BLOCK, left - first_column * _BLOCK
    return np.array(blocks[..., y : y + height, x : x + width])
