"""What values say about the range that was stated for them, or not."""

import math
from collections.abc import Sequence

import numpy as np

from segsr_arch.errors import DataError
from segsr_arch.scenes.source.radiometry import FARTHEST, Radiometry

_DARK = 0.2
"""Part of the range of its type; a scene that uses less probably means another range."""
_NEARLY_ALL = (0.1, 99.9)  # percentiles
_MOST = 0.5


def check_unit_range(path: str, values: np.ndarray, where: str) -> None:
    """Refuse floats that do not lie between 0 and 1, where nothing else was said of them.

    Args:
        path: The raster.
        values: Valid values that the network is to get.
        where: Where they are, for the message: ``in some blocks``.

    Raises:
        DataError: If one lies outside.
    """
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise DataError(
            f"{path}: its floats go from {values.min():.7g} to {values.max():.7g} {where}; what is 0 and 1 to the "
            f"network is to be stated then: --range LO HI (--range 0 1 if a few values lie outside and may)"
        )


def check_range(
    path: str, seen: Sequence[np.ndarray], radiometry: Radiometry, network: Sequence[int]
) -> tuple[str, ...]:
    """Compare values with the range that they were said to have.

    Args:
        path: The raster.
        seen: Of each band that the network gets, some valid values.
        radiometry: What is said of the scene's bands.
        network: Positions among them of what the network gets.

    Returns:
        What a user should read.

    Raises:
        DataError: If most values lie outside of 0 and 1 by the file's own scale and offset, which mean something else.
    """
    count = sum(values.size for values in seen)
    if not count:
        return ()
    low, high = min(values.min() for values in seen if values.size), max(values.max() for values in seen if values.size)
    outside = 0
    for position, values in zip(network, seen, strict=True):
        bounds = sorted((radiometry.low[position], radiometry.high[position]))
        outside += np.count_nonzero((values < bounds[0]) | (values > bounds[1]))
    origins = {radiometry.origins[position] for position in network}
    if outside > _MOST * count and "file" in origins:
        raise DataError(
            f"{path}: by its scale and offset, most of its values are not what a network takes, 0 to 1 (they mean "
            f"{radiometry.words}; stored are {low:.7g} to {high:.7g}); state the stored values that are: --range LO HI"
        )
    if outside:
        part = f"{100 * outside / count:.2g} %" if outside > count / 1000 else "a few"
        return (
            f"{part} of the values that were looked at ({low:.7g} to {high:.7g}) lie outside of the range "
            f"({radiometry.words}); they are not clipped",
        )
    farthest = max(abs(float(each) - radiometry.low[position]) for each in (low, high) for position in network)
    if np.dtype(radiometry.dtype).kind in "iu" and farthest >= FARTHEST:
        return (
            f"values from {low} to {high} are so far from {radiometry.low[network[0]]:.7g}, which is 0 to the network, "
            f"that it does not tell all of them apart: float32 does not",
        )
    if radiometry.dtype in ("uint16", "int16") and origins == {"type"}:
        return _dark_note(np.concatenate(seen), radiometry)
    return ()


def _dark_note(values: np.ndarray, radiometry: Radiometry) -> tuple[str, ...]:
    """Say that an image of a type of 16 bits uses little of it, and which range it seems to mean."""
    low, high = map(int, np.percentile(values, _NEARLY_ALL, method="nearest"))
    limits = np.iinfo(radiometry.dtype)
    if not 0 < high - low < _DARK * (int(limits.max) - int(limits.min)):
        return ()
    return (
        f"nearly all values that were looked at lie between {low:.7g} and {high:.7g}, a small part of the range of "
        f"{radiometry.dtype}, so that the network is given an image of little contrast; their own range can be "
        f"stated: --range {-_rounded_up(-low) if low < 0 else 0} {_rounded_up(high) if high > 0 else 0}",
    )


def _rounded_up(value: float) -> int:
    """The next whole number that has one digit other than zero."""
    unit = 10 ** math.floor(math.log10(value)) if value >= 1 else 1
    return math.ceil(value / unit) * unit
