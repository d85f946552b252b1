"""What guides the units of a network, computed once from a whole image, for the image itself or for tiles of it."""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from segsr_arch.errors import ConfigError
from segsr_arch.windows import Window


@dataclass(frozen=True, kw_only=True)
class Signals:
    """Signals of images, and which part of the images is to be guided by them.

    Attributes:
        values: What :class:`~segsr_arch.semantics.guide.SemanticGuide` computes from LR images (B, 3, H, W).
        image: The whole image, ``Window(height=H, width=W)``.
        windows: Where the LR images lie that a network is given with these signals, all of one size; empty if they are
            the whole images. Of several windows and several images, window i is one of image i.
    """

    values: Tensor
    image: Window
    windows: tuple[Window, ...] = ()

    def at(self, *windows: Window) -> "Signals":
        """The same signals for tiles of the image.

        Args:
            windows: One tile each, in LR pixels of the image, in the order of the batch of tiles.

        Raises:
            ConfigError: If tiles differ in size, reach beyond the image, or are as many as the images are not.
        """
        for window in windows:
            if window.intersection(self.image) != window:
                raise ConfigError(f"signals: {window} reaches beyond the image, {self.image}.")
        if len({(window.height, window.width) for window in windows}) != 1:
            raise ConfigError("signals: give one window or several of one size.")
        images = self.values.shape[0]
        if images > 1 and len(windows) not in (1, images):
            raise ConfigError(f"signals: {len(windows)} windows in {images} images; give one, or one of each image.")
        whole = windows == (self.image,)  # for which no cell is left out
        return dataclasses.replace(self, windows=() if whole else windows)

    def check_fit(self, lq: Tensor) -> None:
        """Check that LR images (B, 3, h, w) are as many and as large as the tiles or images that these are for.

        Raises:
            ConfigError: If they are not.
        """
        window = self.windows[0] if self.windows else self.image
        expected = (max(len(self.windows), self.values.shape[0]), window.height, window.width)
        given = (lq.shape[0], lq.shape[-2], lq.shape[-1])
        if given != expected:
            raise ConfigError(
                f"signals: they guide {expected[0]} images of {expected[1]}x{expected[2]} pixels, but the input is "
                f"{given[0]} of {given[1]}x{given[2]}. Say where the input lies: signals.at(window)."
            )

    def per_tile(self) -> list[tuple[Tensor, Window]]:
        """Pairs of the signals (1, C, rows, columns) of an image and the place of a tile in it, in their order."""
        count = max(len(self.windows), self.values.shape[0])
        windows = self.windows if len(self.windows) == count else self.windows * count
        return list(zip(torch.split(self.values.expand(count, -1, -1, -1), 1), windows, strict=True))
