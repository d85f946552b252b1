"""What is upscaled: part of a raster, its bands and its radiometry, and pixels that were read of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from segsr_arch.scenes.output.metadata import SceneMetadata
from segsr_arch.scenes.source.radiometry import Radiometry
from segsr_arch.windows import Window

Role = Literal["network", "rest", "alpha"]


@dataclass(frozen=True, kw_only=True)
class Band:
    """A band of the output.

    Attributes:
        index: Its number in the source, from 1.
        role: Whether the network gets it, or it is enlarged otherwise (``rest``: bicubic, ``alpha``: nearest).
        nodata: Stored value that says that a pixel is invalid. ``None`` where no value does, also where a mask or an
            alpha band says it in its stead, as GDAL has it.
    """

    index: int
    role: Role
    nodata: float | None = None


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Pixels of a scene as they are stored.

    Attributes:
        values: (C, h, w), the scene's bands, of its type.
        valid: (C, h, w), bool; may be a view that cannot be written to. Alpha is always valid.
    """

    values: np.ndarray
    valid: np.ndarray

    @cached_property
    def all_valid(self) -> bool:
        """Whether every pixel of every band is valid."""
        return bool(self.valid.all())


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is upscaled. :func:`segsr_arch.scenes.source.description.describe_scene` makes it; it can be pickled.

    Attributes:
        path: What GDAL opens.
        region: Part of the source that is upscaled, in its pixels.
        dtype: numpy's name of the type of all bands.
        bands: The bands of the output, in the source's order; those that are left out are not among them.
        network_bands: Positions in ``bands`` of what the network gets as red, green and blue; one position is grey,
            which it gets as all three.
        radiometry: What stored values are to the network; its bands are ``bands``.
        metadata: What the source says about the region and these bands.
        identity: What tells this scene from others and from an older state of the same file; fit for JSON.
        notes: Sentences that a user should read.
    """

    path: str
    region: Window
    dtype: str
    bands: tuple[Band, ...]
    network_bands: tuple[int, ...]
    radiometry: Radiometry
    metadata: SceneMetadata
    identity: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        """Rows of the region."""
        return self.region.height

    @property
    def width(self) -> int:
        """Columns of the region."""
        return self.region.width

    @property
    def indexes(self) -> tuple[int, ...]:
        """Numbers of the bands in the source, from 1."""
        return tuple(band.index for band in self.bands)
