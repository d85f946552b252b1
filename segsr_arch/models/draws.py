"""Random numbers of a training step that depend on where it stands, and on nothing that was drawn before."""

from collections.abc import Sequence

import torch
from torch import Tensor

from segsr_arch.diffusion.samplers.noise import generator_of, noise_of

UNIFORM = ("t", "caption", "guidance", "base")  # kinds that are drawn from [0, 1)


class Draws:
    """Numbers of a step, each kind its own: a resumed training draws what an uninterrupted one does.

    The generators of the process are not touched. Numbers are drawn on the CPU: they are the same for any device.

    Args:
        seed: Of the training, the same after a resume.
        keys: Iteration, process and part of a batch.
        device: Where the numbers are wanted.
    """

    def __init__(self, *, seed: int, keys: Sequence[int], device: torch.device | str = "cpu") -> None:
        self._seed, self._keys, self._device = seed, tuple(keys), device

    def __call__(self, kind: str, shape: Sequence[int]) -> Tensor:
        """Draw numbers, the same when they are asked for again.

        Args:
            kind: What for: time steps (``t``), captions that are left out (``caption``), weights of guidance
                (``guidance``) and the seed of a first stage (``base``) are drawn evenly from [0, 1), anything else is
                normal noise of standard deviation 1.
            shape: Of the result, float32.
        """
        keys: tuple[int | str, ...] = (kind, *self._keys)
        if kind in UNIFORM:
            values = generator_of(seed=self._seed, keys=keys).random(tuple(shape), dtype="float32")
            return torch.from_numpy(values).to(self._device)
        return noise_of(shape, seed=self._seed, keys=keys).to(self._device)


def number_of(*keys: int | str) -> int:
    """Make a number below 2^63 of what tells something apart: a seed of an image, an id."""
    return int(generator_of(seed=0, keys=keys).integers(2**63 - 1))
