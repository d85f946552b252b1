"""Which bands the network gets, which are enlarged otherwise, and which are left out."""

from collections.abc import Sequence

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.scenes.source.radiometry import TYPES
from segsr_arch.scenes.source.scene import Band, Role

_COLOURS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
_SAYS_NOTHING = (ColorInterp.undefined, ColorInterp.gray)
_MOST_LISTED = 40


def choose_bands(
    dataset: DatasetReader, *, asked: Sequence[int] | None, rest: str
) -> tuple[tuple[Band, ...], tuple[int, ...], tuple[str, ...]]:
    """Choose what becomes of each band.

    Without ``asked``, the network gets the bands that the file calls red, green and blue; else all three of three; else
    the one of one, as grey. Alpha it never gets.

    Args:
        dataset: The raster.
        asked: One or three numbers of bands, from 1, that the network gets as red, green and blue, or as grey.
        rest: Whether the further ones are enlarged bicubically or left out.

    Returns:
        The bands of the output, in the source's order; the positions in it of what the network gets; and what a user
        should read.

    Raises:
        ConfigError: If what is asked for is not there, or does not fit.
        DataError: If nothing is asked for and it cannot be told, or the bands are of different types.
    """
    colours = dict(zip(dataset.indexes, dataset.colorinterp, strict=True))
    if ColorInterp.palette in colours.values():
        raise DataError(
            f"{dataset.name} has a palette: its values are numbers of colours, between which there is nothing; write "
            f"the colours into three bands first: gdal_translate -expand rgb {dataset.name} colours.tif"
        )
    if asked is not None:
        network = _asked_for(dataset, tuple(asked), colours)
        notes: tuple[str, ...] = ()
    else:
        network, notes = _found(dataset, colours)
    roles: dict[int, Role] = {
        index: "alpha" if colour == ColorInterp.alpha else "network" if index in network else "rest"
        for index, colour in colours.items()
    }
    further = [str(index) for index, role in roles.items() if role == "rest"]
    if further:
        what = "left out" if rest == "drop" else "enlarged bicubically, without the network"
        notes += (f"band{'s' * (len(further) > 1)} {', '.join(further)}: {what}",)
    kept = [index for index, role in roles.items() if role != "rest" or rest != "drop"]
    _check_types(dataset, kept)
    bands = tuple(Band(index=index, role=roles[index], nodata=_nodata(dataset, index, roles[index])) for index in kept)
    return bands, tuple(kept.index(index) for index in network), notes


def _asked_for(dataset: DatasetReader, asked: tuple[int, ...], colours: dict[int, ColorInterp]) -> tuple[int, ...]:
    words = f"--bands {' '.join(map(str, asked))}"
    missing = [index for index in asked if index not in colours]
    if missing:
        raise ConfigError(
            f"{words}: {dataset.name} has no band {missing[0]}, but these {len(colours)}:\n{_listed(dataset)}"
        )
    if len(asked) not in (1, 3) or len(set(asked)) < len(asked):
        raise ConfigError(f"{words}: name three different bands for red, green and blue, or one for grey")
    for index in asked:
        if colours[index] == ColorInterp.alpha:
            raise ConfigError(
                f"{words}: band {index} of {dataset.name} is alpha, by what the file says; if it is a colour, let the "
                f"file say so: gdal_edit.py -colorinterp_{index} undefined {dataset.name}"
            )
    return asked


def _found(dataset: DatasetReader, colours: dict[int, ColorInterp]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    named = [[index for index, each in colours.items() if each == colour] for colour in _COLOURS]
    if all(len(indexes) == 1 for indexes in named):
        return tuple(indexes[0] for indexes in named), ()
    opaque = tuple(index for index, colour in colours.items() if colour != ColorInterp.alpha)
    if len(opaque) == 1:
        return opaque, ()
    if len(opaque) == 3 and all(colours[index] in _SAYS_NOTHING for index in opaque):
        words = ", ".join(map(str, opaque))
        return opaque, (
            f"bands {words} are taken as red, green and blue: the file does not say which colours they are",
        )
    raise DataError(
        f"{dataset.name}: which of its bands are red, green and blue cannot be told; say it, like --bands 3 2 1. It "
        f"has:\n{_listed(dataset)}"
    )


def _listed(dataset: DatasetReader) -> str:
    """The bands, one a line: number, name, colour."""
    rows = [
        f"  {index}: {description or 'no name'} ({colour.name})"
        for index, description, colour in zip(dataset.indexes, dataset.descriptions, dataset.colorinterp, strict=True)
    ]
    more = [f"  and {len(rows) - _MOST_LISTED} more"] if len(rows) > _MOST_LISTED else []
    return "\n".join(rows[:_MOST_LISTED] + more)


def _check_types(dataset: DatasetReader, indexes: Sequence[int]) -> None:
    """Refuse bands that could not be in one GeoTIFF, and types that no network could be given."""
    by_type: dict[str, list[str]] = {}
    for index in indexes:
        by_type.setdefault(dataset.dtypes[index - 1], []).append(str(index))
    if len(by_type) > 1:
        listed = "; ".join(f"{', '.join(some)}: {dtype}" for dtype, some in by_type.items())
        raise DataError(
            f"{dataset.name}: its bands are of different types ({listed}); make them one type first, or name bands of "
            f"one type with --bands and leave the others out with --rest drop"
        )
    (dtype,) = by_type
    if "complex" in dtype:
        raise DataError(
            f"{dataset.name}: its values are complex numbers ({dtype}), of which there is no one image; "
            f"write their amplitude or the like into a file of its own first"
        )
    if dtype not in TYPES:
        raise DataError(
            f"{dataset.name}: values of type {dtype} are not upscaled, only {', '.join(TYPES)}; write them in one of "
            f"these first: gdal_translate -ot Float32 {dataset.name} float.tif"
        )


def _nodata(dataset: DatasetReader, index: int, role: Role) -> float | None:
    """The value of invalid pixels; ``None`` if no pixel can have it, or GDAL goes by a mask instead."""
    nodata = dataset.nodatavals[index - 1]
    if role == "alpha" or nodata is None or dataset.mask_flag_enums[index - 1] != [MaskFlags.nodata]:
        return None
    dtype = np.dtype(dataset.dtypes[index - 1])
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return float(nodata) if limits.min <= nodata <= limits.max and nodata == int(nodata) else None
    return float(nodata)
