"""How large the files of a job will be, and whether the disk has room for them."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segsr_arch.errors import SaveError
from segsr_arch.scenes.output.raster_spec import RasterSpec
from segsr_arch.scenes.output.tile_coding import TileCoding
from segsr_arch.windows import Window

_WITH_OVERVIEWS = 4 / 3  # each overview has a quarter of the pixels of the one before
_SAMPLE = 256


@dataclass(frozen=True, kw_only=True)
class DiskNeed:
    """Bytes that the rasters of a job take.

    Attributes:
        least: What they take in any case, while they grow.
        uncompressed: Their pixels.
        output: The files, as far as it can be guessed.
        peak: The most that is on the disk while the files are made, likewise.
    """

    least: int
    uncompressed: int
    output: int
    peak: int

    @classmethod
    def of(cls, rasters: Sequence[RasterSpec], *, share: float) -> "DiskNeed":
        """What rasters need.

        Args:
            rasters: The rasters.
            share: What compression leaves of a byte, see :func:`compressed_share`.
        """
        least = uncompressed = output = peak = 0.0
        for spec in rasters:
            size = spec.height * spec.width * spec.count * np.dtype(spec.dtype).itemsize
            tiles = size if spec.compress == "none" else size * share
            whole = tiles * _WITH_OVERVIEWS if spec.cog else tiles
            uncompressed += size
            least += size if spec.compress == "none" else 0
            output += whole
            peak += 2 * whole if spec.cog else whole
        return cls(least=int(least), uncompressed=int(uncompressed), output=int(output), peak=int(peak))


def compressed_share(read: Callable[[Window], NDArray[Any]], *, height: int, width: int, coding: TileCoding) -> float:
    """What compression leaves of a byte of a raster, from five places of it.

    An enlarged raster is smoother than its source, which is looked at here: it takes a little less, as a rule.

    Args:
        read: Gives the values (coding.count, h, w) of a window.
        height: Rows of the raster.
        width: Its columns.
        coding: How its tiles are stored.
    """
    side = min(_SAMPLE, coding.block)
    rows, columns = min(side, height), min(side, width)
    before = after = 0
    for down, across in ((0.5, 0.5), (0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)):
        top, left = int((height - rows) * down), int((width - columns) * across)
        values = read(Window(top=top, left=left, height=rows, width=columns))
        before, after = before + values.nbytes, after + len(coding.encode(values))
    return after / before


def check_room(dst: str | os.PathLike[str], need: DiskNeed) -> str | None:
    """See whether there is room for what a job writes.

    Args:
        dst: The main raster; its folder need not be there.
        need: What it takes.

    Returns:
        A sentence if it may not be enough: what a compressed raster takes is a guess, and a job whose disk is full
        goes on once there is room. ``None`` if it is enough as far as one can tell.

    Raises:
        SaveError: If it cannot be enough.
    """
    folder = Path(os.path.abspath(dst)).parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < need.least:
        raise SaveError(
            f"{dst}: {_gigabytes(need.least)} are written and {folder} has {_gigabytes(free)} free. Free some space, "
            f"choose another folder, or let it be compressed."
        )
    if free < need.peak:
        return (
            f"{dst}: about {_gigabytes(need.peak)} are needed while it is written and {folder} has {_gigabytes(free)} "
            f"free. Should that not be enough, what was done is kept, and the same goes on once there is room."
        )
    return None


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e7 else f"{size / 1e6:.3f} MB"
