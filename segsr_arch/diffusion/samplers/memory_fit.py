"""Sampling with less at once where memory does not suffice: fewer images, then smaller tiles of latents."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions
from segsr_arch.errors import NotEnoughMemoryError
from segsr_arch.running.memory import attempted

logger = logging.getLogger(__name__)

_SMALLEST = 8  # side of a tile, in latent pixels


class MemoryFit:
    """Tries as much at once as was asked for, and less where memory does not suffice, which is said once.

    A sample is begun anew then, so that all of its steps go over the same tiles. What was found to fit holds for all
    further images.

    Args:
        name: What the network is called in messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._together: int | None = None
        self._size: int | None = None
        self._warned = False

    def __call__(
        self,
        sample: Callable[[slice, LatentTileOptions], Tensor],
        *,
        count: int,
        side: int,
        tile: LatentTileOptions,
    ) -> Tensor:
        """Sample a batch.

        Args:
            sample: Gives the SR images of some of the batch, sampled in tiles; images do not depend on each other.
            count: How many images the batch has.
            side: The longer side of their latents.
            tile: What was asked for.

        Returns:
            SR images of the batch.

        Raises:
            NotEnoughMemoryError: If memory does not suffice for one image in the smallest tiles.
        """
        done: list[Tensor] = []
        start, reduced = 0, False
        while start < count:
            now = slice(start, min(count, start + (self._together or count)))
            fitting = self._fitting(tile)
            images, complaint = attempted(partial(sample, now, fitting))
            if images is None:
                self._reduce(now.stop - start, min(fitting.size, side), complaint)
                reduced = True
            else:
                done.append(images)
                start = now.stop
        if reduced and not self._warned:
            self._warned = True
            logger.warning("%s: memory does not suffice: going on with %s.", self._name, self._in_words(tile))
        return done[0] if len(done) == 1 else torch.cat(done)

    def _fitting(self, tile: LatentTileOptions) -> LatentTileOptions:
        if self._size is None or self._size >= tile.size:
            return tile
        overlap = min(tile.overlap, self._size // 2)
        return replace(
            tile, size=self._size, overlap=overlap, autoencoder=min(tile.autoencoder or self._size, self._size)
        )

    def _reduce(self, together: int, size: int, complaint: str) -> None:
        if together > 1:
            self._together = together // 2
            return
        self._together, half = 1, -(-size // 2)
        if half < _SMALLEST:
            raise NotEnoughMemoryError(
                f"{self._name}: memory does not suffice for one image, not even in tiles of {size} latent pixels "
                f"({complaint}). Take smaller images (segsr upscale: --tile), free memory, or use the CPU (num_gpu: 0)."
            )
        self._size = half

    def _in_words(self, tile: LatentTileOptions) -> str:
        if self._size is None:
            return "one image after the other" if self._together == 1 else f"{self._together} images at once"
        fitting = self._fitting(tile)
        return (
            f"tiles of {fitting.size} latent pixels (latent_tile: {{size: {fitting.size}, overlap: {fitting.overlap}, "
            f"autoencoder: {fitting.autoencoder}}} of network_g gives the same at once), which changes images a little"
        )
