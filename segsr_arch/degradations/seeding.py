"""Random numbers that belong to an image: the same in whatever order, and by however many processes, it is read."""

import hashlib

import numpy as np


def generator_of(name: str, *, scale: int, seed: int) -> np.random.Generator:
    """Make the generator of an image that is always degraded alike.

    Its state is the SHA-256 digest of ``seed:xSCALE:name``, in a bit generator (PCG64) that numpy keeps as it is.

    Args:
        name: The image's name in its data set.
        scale: From HR to LR: at each an image gets a blur and noise of its own.
        seed: At least 0.
    """
    text = f"{seed}:x{scale}:{name}".encode(errors="surrogateescape")
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(text).digest(), "big")))
