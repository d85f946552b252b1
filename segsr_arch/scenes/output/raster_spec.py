"""A raster that a job writes: its size, how it is stored, and which files belong to it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from segsr_arch.files.atomic import hidden_name
from segsr_arch.scenes.options import Compression
from segsr_arch.scenes.output.metadata import BandMetadata, SceneMetadata
from segsr_arch.scenes.output.tile_coding import TileCoding
from segsr_arch.windows import Window

MaskSource: TypeAlias = Callable[[Window], NDArray[np.bool_]]
"""Gives which pixels of a window of a raster are valid, (h, w)."""

ASIDE = ".aux.xml"
"""What GDAL appends to the name of a raster for the file in which it keeps what the raster has no place for."""
_TEMPORARY = (ASIDE, ".ovr.tmp", ".msk.ovr.tmp", ".msk.tmp")  # which GDAL appends meanwhile
SPREAD = ".spread"
"""Suffix of the raster that says where an ensemble is unsure."""


@dataclass(frozen=True, kw_only=True)
class RasterSpec:
    """A raster that is to be written.

    Attributes:
        height: Its rows.
        width: Its columns.
        count: Its bands.
        dtype: Type of its values, as numpy names it.
        block: Rows and columns of its blocks, a multiple of 16.
        suffix: What its file's name has before its ending; empty for the raster that the job is about.
        compress: Compression, without loss.
        cog: Whether it becomes a cloud-optimized GeoTIFF.
        metadata: What it says about its pixels, in its own rows and columns; ``None``: nothing.
        mask: Which of its pixels are valid, if it gets a mask.
    """

    height: int
    width: int
    count: int
    dtype: str
    block: int
    suffix: str = ""
    compress: Compression = "deflate"
    cog: bool = False
    metadata: SceneMetadata | None = None
    mask: MaskSource | None = None

    @property
    def name(self) -> str:
        """What it is called among the rasters of its job."""
        return self.suffix.lstrip(".") or "raster"

    @property
    def coding(self) -> TileCoding:
        """How its tiles are stored."""
        return TileCoding(count=self.count, dtype=self.dtype, block=self.block, compress=self.compress)

    @property
    def said(self) -> SceneMetadata:
        """What it says about its pixels, at least nothing of each band."""
        return self.metadata or SceneMetadata(bands=(BandMetadata(),) * self.count)

    @property
    def identity(self) -> dict[str, Any]:
        """What tells its bytes from those of other rasters, as JSON."""
        names = ("suffix", "height", "width", "count", "dtype", "block", "compress", "cog")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class RasterFiles:
    """Names of the files of one raster, all in one folder.

    Attributes:
        final: The raster once it is whole.
    """

    final: Path

    @classmethod
    def of(cls, dst: Path, suffix: str) -> "RasterFiles":
        """Those of a raster of a job whose main one is ``dst``; further ones are GeoTIFFs whatever that is."""
        return cls(dst.with_name(f"{dst.stem}{suffix}.tif") if suffix else dst)

    @property
    def tiles(self) -> Path:
        """The tiles that were done so far."""
        return self._hidden(".tiles")

    @property
    def whole(self) -> Path:
        """The raster in another form than that of its tiles, whole, before it gets its name."""
        return self._hidden(".whole")

    @property
    def companions(self) -> tuple[Path, ...]:
        """What GDAL takes for a part of the raster if it lies beside it."""
        return tuple(self.final.with_name(f"{self.final.name}{ending}") for ending in (ASIDE, ".ovr", ".msk"))

    def remove_hidden(self) -> None:
        """Remove everything but the raster itself and its companions, what GDAL has left included.

        Raises:
            OSError: If the operating system refuses.
        """
        for path in (self.tiles, self.whole):
            for ending in ("", *_TEMPORARY):
                path.with_name(f"{path.name}{ending}").unlink(missing_ok=True)

    def _hidden(self, ending: str) -> Path:
        room = max(_TEMPORARY, key=len)
        return self.final.with_name(hidden_name(self.final.name, f"{ending}{room}").removesuffix(room))
