"""Compression with losses, after the noise: JPEG, which has 8 bits, and JPEG 2000, which has those of the image."""

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from segsr_arch.degradations.levels import from_levels, to_levels
from segsr_arch.degradations.step import Range, Signal, Step, drawn, in_words
from segsr_arch.errors import DependencyError
from segsr_arch.option_fields import option

_RESOLUTIONS = 6  # of JPEG 2000: wavelets of five levels, where the image is large enough


@dataclass(frozen=True, kw_only=True)
class Jpeg(Step):
    """JPEG; an image of more than 8 bits is rounded to 8."""

    name = "jpeg"
    stage = "compress"

    quality: Range = option((30.0, 95.0), help="quality; a drawn one is rounded", minimum=1, maximum=100)

    def applied(self, signal: Signal, rng: np.random.Generator, *, scale: int) -> tuple[Signal, dict[str, Any]]:
        """Code and decode the image; see :meth:`Step.applied`."""
        del scale
        quality = round(drawn(self.quality, rng))
        return replace(signal, image=jpeg_coded(signal.image, quality)), {"quality": quality}

    def words(self) -> str:
        """Say in words how strongly."""
        return f"compress by JPEG of quality {in_words(self.quality)}"


@dataclass(frozen=True, kw_only=True)
class Jpeg2000(Step):
    """JPEG 2000 with its irreversible wavelets: 8 bits of an image of 8 bits, otherwise 16."""

    name = "jpeg2000"
    stage = "compress"

    ratio: Range = option((4.0, 20.0), help="size of the values over that of the file", minimum=1)

    def applied(self, signal: Signal, rng: np.random.Generator, *, scale: int) -> tuple[Signal, dict[str, Any]]:
        """Code and decode the image; see :meth:`Step.applied`."""
        del scale
        ratio = drawn(self.ratio, rng)
        return replace(signal, image=jpeg2000_coded(signal.image, ratio, dtype=signal.dtype)), {"ratio": ratio}

    def words(self) -> str:
        """Say in words how strongly."""
        return f"compress by JPEG 2000 to 1/{in_words(self.ratio)} of the size"


def jpeg_coded(levels: NDArray[np.float32], quality: int) -> NDArray[np.float32]:
    """Code an image in grey levels as JPEG with 4:2:0 colours, and decode it.

    Args:
        levels: (H, W, C); three bands are coded as RGB, others each by itself.
        quality: From 1 to 100.

    Returns:
        (H, W, C), whole numbers from 0 to 255.
    """
    values = from_levels(levels, np.dtype(np.uint8))
    return _coded(values, together=True, format="JPEG", quality=quality, subsampling="4:2:0")


def jpeg2000_coded(levels: NDArray[np.float32], ratio: float, *, dtype: np.dtype[Any]) -> NDArray[np.float32]:
    """Code an image in grey levels as JPEG 2000, and decode it.

    Args:
        levels: (H, W, C); three bands of 8 bits are coded as RGB, others each by itself.
        ratio: Size of the values over that of the file, which headers of small images exceed.
        dtype: Type of the image that is to be made: uint8 is coded with 8 bits, all others with 16.

    Returns:
        (H, W, C) in grey levels.

    Raises:
        DependencyError: If Pillow was built without JPEG 2000.
    """
    if not features.check("jpg_2000"):
        raise DependencyError("JPEG 2000 needs a Pillow that has it: pip install --force-reinstall pillow")
    byte = dtype == np.uint8
    values = from_levels(levels, np.dtype(np.uint8 if byte else np.uint16))
    options = {
        "quality_mode": "rates",
        "quality_layers": [ratio],
        "irreversible": True,
        "num_resolutions": min(_RESOLUTIONS, min(levels.shape[:2]).bit_length()),
    }
    return _coded(values, together=byte, format="JPEG2000", **options)


def _coded(values: NDArray[Any], *, together: bool, format: str, **options: Any) -> NDArray[np.float32]:
    """Code three bands at once, if they may be, or every band by itself."""
    bands = values.shape[2]
    groups = [values] if together and bands == 3 else [values[..., band] for band in range(bands)]
    decoded = []
    for group in groups:
        stream = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(group)).save(stream, format, **options)
        decoded.append(np.asarray(Image.open(stream)).reshape(*values.shape[:2], -1))
    return to_levels(np.concatenate(decoded, axis=2).astype(values.dtype))
