"""Invalid pixels: nothing of them reaches the network, and they come back as they were."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import distance_transform_edt

from segsr_arch.scenes.source.scene import Band, Pixels

_SAME = 2.0**-21  # relative to the no-data value: floats that are nearer are that value to GDAL
_APART = 2.0**-20


def fill_invalid(unit: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Fill invalid pixels with the nearest valid one of their band, so that a network sees no edge that is not there.

    Which one is the nearest depends on what lies within the array: fill what the network gets at once, a tile.

    Args:
        unit: (C, h, w), floats; invalid pixels may hold anything.
        valid: (C, h, w), bool.

    Returns:
        (C, h, w) of the same type without anything of invalid pixels; zeros for a band that has no valid one. The same
        array if all are valid.
    """
    if valid.all():
        return unit
    filled = np.empty_like(unit)
    nearest: tuple[np.ndarray, ...] | None = None
    for band, known in enumerate(valid):
        if band == 0 or not np.array_equal(known, valid[band - 1]):
            nearest = None
            if known.any():
                nearest = tuple(distance_transform_edt(~known, return_distances=False, return_indices=True))
        filled[band] = 0 if nearest is None else unit[band][nearest]
    return filled


def restore(sr: np.ndarray, pixels: Pixels, bands: Sequence[Band], *, scale: int) -> np.ndarray:
    """Make invalid what was invalid, and alpha what it was, in place.

    A valid value that happens to be the no-data value of its band is moved to its neighbour, as GDAL's warper does:
    0 becomes 1, 255 becomes 254 where that is no-data. Floats move so far that GDAL tells them apart.

    Args:
        sr: (C, s h, s w) of the stored type. It is changed.
        pixels: The C bands of the source at the same place, (C, h, w).
        bands: What the C bands are.
        scale: s.

    Returns:
        ``sr``: invalid pixels and alpha are the source's stored values, each as s x s pixels.
    """
    for position, band in enumerate(bands):
        enlarged, stored, valid = sr[position], pixels.values[position], pixels.valid[position]
        height, width = stored.shape
        blocks = enlarged.reshape(height, scale, width, scale)  # splitting axes makes a view of any array
        if band.role == "alpha":
            blocks[...] = stored[:, None, :, None]
            continue
        if band.nodata is not None:
            _move_away(enlarged, band.nodata)
        if not valid.all():
            np.copyto(blocks, stored[:, None, :, None], where=~valid[:, None, :, None])
    return sr


def _move_away(values: np.ndarray, nodata: float) -> None:
    """Move values that are the no-data value to the nearest that are not; in place."""
    if np.isnan(nodata):
        return
    if values.dtype.kind != "f":
        if nodata == np.iinfo(values.dtype).min:
            np.maximum(values, values.dtype.type(nodata + 1), out=values)
        else:
            values[values == int(nodata)] = int(nodata) - 1
    elif np.isinf(nodata):
        values[values == nodata] = np.copysign(np.finfo(values.dtype).max, nodata)
    elif nodata == 0:
        values[values == 0] = np.finfo(values.dtype).tiny
    else:
        values[np.abs(values - values.dtype.type(nodata)) <= _SAME * abs(nodata)] = nodata * (1 - _APART)
