"""The reduction from HR to LR size of an image in grey levels that is not rounded."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segsr_arch.degradations.bicubic import reduce_exactly
from segsr_arch.degradations.bicubic_operator import reduce_bicubic
from segsr_arch.degradations.step import Signal, Step
from segsr_arch.option_fields import option

_HALFWAY = np.array([-1, 9, 9, -1]) / 16  # cubic interpolation (Keys, a = -1/2) in the middle between two pixels
_WORDS = {
    "bicubic": "reduce by antialiased bicubic interpolation",
    "s-fold": "reduce by taking one of scale pixels",
    "pillow": "truncate to bytes, reduce by Pillow's bicubic interpolation",
}


@dataclass(frozen=True, kw_only=True)
class Reduction(Step):
    """The step to LR size; a chain that names none reduces by ``bicubic``."""

    name = "reduce"
    stage = "reduce"

    how: str = option(
        "bicubic",
        help="bicubic: MATLAB's, antialiased; s-fold: one of scale pixels, without a filter; pillow: truncated to "
        "bytes and reduced by Pillow, half a grey level too dark, as IKC's code does",
        choices=tuple(_WORDS),
    )
    phase: str = option(
        "centre",
        help="for s-fold: the point in the middle of each block, which keeps LR aligned as bicubic does, or its "
        "upper left pixel, as much published code does",
        choices=("centre", "corner"),
    )

    def applied(self, signal: Signal, rng: np.random.Generator, *, scale: int) -> tuple[Signal, dict[str, Any]]:
        """Reduce the image; see :meth:`Step.applied`."""
        del rng
        if self.how == "bicubic":
            image = reduced(signal.image, scale)
        elif self.how == "pillow":
            image = _reduced_by_pillow(signal.image, scale)
        else:
            image = sampled(signal.image, scale, centred=self.phase == "centre")
        return replace(signal, image=image), {}

    def words(self) -> str:
        """Say in words how."""
        return _WORDS[self.how] + (f" ({self.phase})" if self.how == "s-fold" else "")


def reduced(image: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """Reduce by the antialiased bicubic kernel.

    An image that holds whole grey levels is reduced in exact arithmetic, so that it rounds to what
    :func:`~segsr_arch.degradations.bicubic.make_lr` gives.

    Args:
        image: (H, W, C) in grey levels; H and W are multiples of the scale.
        scale: Whole number from 2 to 16.

    Returns:
        (H / scale, W / scale, C).

    Raises:
        DataError: If a side is no multiple of the scale.
    """
    whole = image.astype(np.uint8) if image.min() >= 0 and image.max() <= 255 else None
    if whole is not None and np.array_equal(whole, image):
        return np.asarray(reduce_exactly(whole, scale), np.float32)
    planes = reduce_bicubic(np.ascontiguousarray(image.transpose(2, 0, 1)), scale)
    return np.ascontiguousarray(planes.transpose(1, 2, 0), np.float32)


def sampled(image: NDArray[np.float32], scale: int, *, centred: bool) -> NDArray[np.float32]:
    """Take one of scale x scale pixels (s-fold).

    Args:
        image: (H, W, C); H and W are multiples of the scale.
        scale: Whole number.
        centred: Whether from the middle of each block, which at an even scale lies between pixels and is interpolated
            there (cubic), or its upper left pixel.

    Returns:
        (H / scale, W / scale, C).
    """
    if not centred:
        return np.ascontiguousarray(image[::scale, ::scale])
    if scale % 2:
        return np.ascontiguousarray(image[scale // 2 :: scale, scale // 2 :: scale])
    rows = _between(image, scale)
    return np.ascontiguousarray(_between(rows.swapaxes(0, 1), scale).swapaxes(0, 1))


def _between(image: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """Interpolate the first axis in the middle of each block of an even number of pixels."""
    padded = np.pad(image, ((1, 1), (0, 0), (0, 0)), mode="edge")
    first = scale // 2 - 1  # in padded rows: one before the two pixels about the middle
    count = len(image) // scale
    total = np.zeros((count, *image.shape[1:]), np.float32)
    for tap, weight in enumerate(_HALFWAY):
        total += np.float32(weight) * padded[first + tap :: scale][:count]
    return total


def _reduced_by_pillow(image: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    height, width = image.shape[0] // scale, image.shape[1] // scale
    # Truncated, not rounded: published code turns floats into bytes so before it hands them to Pillow.
    bands = image.clip(0, 255).astype(np.uint8).transpose(2, 0, 1)
    resized = [Image.fromarray(band).resize((width, height), Image.Resampling.BICUBIC) for band in bands]
    return np.stack([np.asarray(band, np.float32) for band in resized], axis=2)
