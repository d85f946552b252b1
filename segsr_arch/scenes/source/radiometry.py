"""Radiometry: which stored values are 0 and 1 to a network. It is stated, never guessed from the pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from segsr_arch.errors import ConfigError, DataError

Origin = Literal["stated", "file", "type"]
"""Where a range comes from: ``--range``, scale and offset of the file, or the type of the values."""
RANGES_OF_TYPES = {
    "uint8": (0.0, 255.0),
    "uint16": (0.0, 65535.0),
    "int16": (-32768.0, 32767.0),
    "float32": (0.0, 1.0),
}
"""Types that need no range to be stated, and the values that are 0 and 1 then."""
TYPES = (*RANGES_OF_TYPES, "int8", "uint32", "int32", "float64")
"""All types that are upscaled."""
_ORIGINS = {"stated": "--range", "file": "scale and offset of the file", "type": "range of the type"}
FARTHEST = 2.0**23
"""Whole numbers that are less than this from 0 and from LO are told apart by float32, and come back exactly."""
_IN_CACHE = 1 << 15  # values of a band on which several steps run faster together
_SMALL = 2.0**18  # below, the four steps there and back are exact enough in float32, too


@dataclass(frozen=True, kw_only=True)
class Radiometry:
    """What the stored values of some bands are to a network, and back.

    Values outside of the range are not clipped: they are below 0 or above 1 to the network, and come back.

    Attributes:
        dtype: numpy's name of the stored type.
        low: Per band, the stored value that is 0 to the network.
        high: Per band, the stored value that is 1.
        origins: Per band, where the range comes from.
        words: Range of what the network gets and where it comes from, for people: ``uint8, 0 to 255: range of the
            type``.
    """

    dtype: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    origins: tuple[Origin, ...]
    words: str

    def assumed(self, bands: Sequence[int]) -> bool:
        """Whether values of a band were taken to lie between 0 and 1, as floats are unless something else is said."""
        return np.dtype(self.dtype).kind == "f" and any(self.origins[band] == "type" for band in bands)

    def to_unit(self, values: np.ndarray, bands: Sequence[int]) -> np.ndarray:
        """Give stored values as a network takes them.

        Args:
            values: (C, h, w), of the stored type.
            bands: Positions of the C bands in ``low`` and ``high``.

        Returns:
            (C, h, w) float32; the same array where nothing changes. Invalid pixels may hold anything.
        """
        low, span, unchanged = self._of(bands)
        with np.errstate(over="ignore", invalid="ignore"):  # of invalid pixels
            if unchanged:
                return np.asarray(values, np.float32)
            unit = values.astype(low.dtype)
            if low.any():
                unit -= low
            unit /= span
            return np.asarray(unit, np.float32)

    def from_unit(self, unit: np.ndarray, bands: Sequence[int]) -> np.ndarray:
        """Give values as a network returns them in the stored type.

        What :meth:`to_unit` gave comes back exactly for whole numbers (see ``FARTHEST``), and for floats whose range is
        0 to 1; for floats of another range to within one unit in the last place (2^-23) of the larger of the value and
        its distance from LO.

        Args:
            unit: (C, h, w), floats without NaN.
            bands: Positions of the C bands in ``low`` and ``high``.

        Returns:
            (C, h, w) of the stored type: whole numbers rounded half to even, clipped to the type, never to the range.
        """
        dtype = np.dtype(self.dtype)
        low, span, unchanged = self._of(bands)
        if unchanged:
            return np.asarray(unit, dtype)
        stored = np.empty(unit.shape, dtype)
        rows = max(1, _IN_CACHE // unit.shape[-1])
        for top in range(0, unit.shape[1], rows):
            part = unit[:, top : top + rows] * span
            if low.any():
                part += low
            if dtype.kind != "f":
                limits = np.iinfo(dtype)
                np.rint(part, out=part)
                np.clip(part, limits.min, limits.max, out=part)
            stored[:, top : top + rows] = part
        return stored

    def to_stored(self, unit: np.ndarray, bands: Sequence[int]) -> np.ndarray:
        """Give values as a network returns them in the units of the stored ones, neither rounded nor clipped.

        Args:
            unit: (C, h, w), floats.
            bands: Positions of the C bands in ``low`` and ``high``.

        Returns:
            (C, h, w), floats; the same array where nothing changes.
        """
        low, span, unchanged = self._of(bands)
        if unchanged:
            return unit
        return np.asarray(unit * span + low)

    def _of(self, bands: Sequence[int]) -> tuple[np.ndarray, np.ndarray, bool]:
        """Zero and span of bands, (C, 1, 1), of the type to compute in; whether floats are what the network takes."""
        low = np.array([self.low[band] for band in bands]).reshape(-1, 1, 1)
        span = np.array([self.high[band] for band in bands]).reshape(-1, 1, 1) - low
        stored = np.dtype(self.dtype)
        if stored.kind == "f":
            return low, span, not low.any() and bool((span == 1).all())
        small = stored.itemsize <= 2 and max(np.abs(low).max(), np.abs(span).max(), 1 / np.abs(span).min()) < _SMALL
        exact = np.float32 if small else np.float64
        return low.astype(exact), span.astype(exact), False


def state_radiometry(
    source: str,
    dtype: str,
    *,
    scales: Sequence[float],
    offsets: Sequence[float],
    network: Sequence[int],
    value_range: Sequence[float] | None = None,
) -> Radiometry:
    """Choose the range of each band: the one that is asked for, else by its scale and offset, else that of its type.

    Args:
        source: What it is called in messages.
        dtype: numpy's name of the stored type, one of ``TYPES``.
        scales: Per band, what a stored value is multiplied with to give the physical one, which is 0 to 1 to the
            network.
        offsets: Per band, what is added then.
        network: Positions of the bands that the network gets. Others are enlarged without it: for them any range does.
        value_range: The stored values of all bands that are 0 and 1.

    Raises:
        ConfigError: If the range that is asked for is none.
        DataError: If none is asked for where the type has none, or whole numbers could not be told apart.
    """
    if value_range is not None:
        low, high = value_range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(f"--range {low:g} {high:g}: LO and HI are numbers, LO the smaller one")
    ranges: list[tuple[float, float]] = []
    origins: list[Origin] = []
    for position, (scale, offset) in enumerate(zip(scales, offsets, strict=True)):
        if value_range is not None:
            ranges.append((low, high))
            origins.append("stated")
        elif (scale, offset) != (1, 0):
            ranges.append(_scaled_range(source, scale, offset))
            origins.append("file")
        elif dtype in RANGES_OF_TYPES or position not in network:
            ranges.append(RANGES_OF_TYPES.get(dtype, (0.0, 1.0)))
            origins.append("type")
        else:
            raise DataError(
                f"{source}: values of type {dtype} have no range of their own that a network could take as 0 to 1; "
                f"state the stored values that are 0 and 1: --range LO HI"
            )
    for position in network:
        _check_steps(source, dtype, ranges[position])
    said = (f"{ranges[each][0]:.7g} to {ranges[each][1]:.7g}: {_ORIGINS[origins[each]]}" for each in network)
    return Radiometry(
        dtype=dtype,
        low=tuple(float(low) for low, _ in ranges),
        high=tuple(float(high) for _, high in ranges),
        origins=tuple(origins),
        words=f"{dtype}, {'; '.join(dict.fromkeys(said))}",
    )


def _scaled_range(source: str, scale: float, offset: float) -> tuple[float, float]:
    """The stored values whose physical values are 0 and 1."""
    if not (math.isfinite(scale) and math.isfinite(offset)) or scale == 0:
        raise DataError(
            f"{source}: its scale {scale:g} and offset {offset:g} say nothing; state the stored values that are 0 and "
            f"1 to the network: --range LO HI"
        )
    return 0.0 - offset / scale, (1 - offset) / scale


def _check_steps(source: str, dtype: str, bounds: tuple[float, float]) -> None:
    """Refuse a range from which the whole numbers of a small type are too far away to be told apart by float32."""
    if np.dtype(dtype).kind == "f" or np.dtype(dtype).itemsize > 2:
        return  # of large types only some values are used, mostly
    limits = np.iinfo(dtype)
    if max(abs(limits.min - bounds[0]), abs(limits.max - bounds[0]), abs(bounds[1] - bounds[0])) >= FARTHEST:
        raise DataError(
            f"{source}: from {bounds[0]:g} to {bounds[1]:g} is so far that single values of {dtype} cannot be told "
            f"apart as float32; state the stored values that are 0 and 1 to the network: --range LO HI"
        )
