"""The description of a scene, made of a source and what is asked for. Bad input is refused here, before any work."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from rasterio.io import DatasetReader

from segsr_arch.errors import DataError
from segsr_arch.scenes.output.metadata import read_metadata
from segsr_arch.scenes.source.band_roles import choose_bands
from segsr_arch.scenes.source.radiometry import Radiometry, state_radiometry
from segsr_arch.scenes.source.rasters import bounded_cache, check_whole, open_raster
from segsr_arch.scenes.source.reader import BandReader
from segsr_arch.scenes.source.regions import region_of
from segsr_arch.scenes.source.sampling import has_valid_pixel, look
from segsr_arch.scenes.source.scene import Band, Scene
from segsr_arch.scenes.source.source_state import state_of
from segsr_arch.scenes.source.value_checks import check_range, check_unit_range
from segsr_arch.windows import Window


def describe_scene(
    src: str | os.PathLike[str],
    *,
    bands: Sequence[int] | None = None,
    rest: str = "bicubic",
    value_range: Sequence[float] | None = None,
    window: Sequence[int] | None = None,
    bounds: Sequence[float] | None = None,
    bounds_crs: str | None = None,
) -> Scene:
    """Describe what is upscaled.

    Args:
        src: Anything that GDAL opens: a file, ``/vsizip/...``, ``s3://...``, ``NETCDF:"file":variable``.
        bands: Numbers, from 1, of the three bands that the network gets as red, green and blue, or of the one that it
            gets as grey; see :func:`segsr_arch.scenes.source.band_roles.choose_bands` for what is chosen without.
        rest: What becomes of further bands: ``bicubic`` or ``drop``.
        value_range: The stored values that are 0 and 1 to the network; see
            :func:`segsr_arch.scenes.source.radiometry.state_radiometry`.
        window: COL ROW W H of the part that is upscaled, in pixels.
        bounds: W S E N of it.
        bounds_crs: What the bounds are in; the raster's own coordinates if ``None``.

    Raises:
        ConfigError: If what is asked for does not fit the raster.
        DataError: If the raster cannot be upscaled.
    """
    path = os.fspath(src)
    with bounded_cache(), open_raster(path) as dataset:
        check_whole(path, dataset)
        region, region_notes = region_of(dataset, window=window, bounds=bounds, bounds_crs=bounds_crs)
        chosen, network, band_notes = choose_bands(dataset, asked=bands, rest=rest)
        dtype = dataset.dtypes[chosen[0].index - 1]
        radiometry = state_radiometry(
            path,
            dtype,
            scales=[dataset.scales[band.index - 1] for band in chosen],
            offsets=[dataset.offsets[band.index - 1] for band in chosen],
            network=network,
            value_range=value_range,
        )
        metadata = read_metadata(dataset, region=region, bands=[band.index for band in chosen])
        seen_notes = _look(path, dataset, region, chosen, network, radiometry)
        return Scene(
            path=path,
            region=region,
            dtype=dtype,
            bands=chosen,
            network_bands=network,
            radiometry=radiometry,
            metadata=metadata,
            identity=state_of(path, dataset, metadata) | _identity(region, chosen, network, radiometry),
            notes=(*_place_notes(path, dataset), *region_notes, *band_notes, *seen_notes),
        )


def _look(
    path: str,
    dataset: DatasetReader,
    region: Window,
    bands: Sequence[Band],
    network: Sequence[int],
    radiometry: Radiometry,
) -> tuple[str, ...]:
    """Refuse what some blocks show to be wrong, and say what they show to be doubtful."""
    looked_at = [bands[each] for each in network] + [band for band in bands if band.role == "alpha"]
    reader = BandReader(dataset, path, looked_at)
    any_value_will_do = radiometry.dtype == "uint8" and all(radiometry.origins[band] == "type" for band in network)
    if any_value_will_do and not reader.may_be_invalid:
        return ()  # nothing could be found
    positions = range(len(network))
    seen = look(reader, region, positions)
    if not any(values.size for values in seen) and not has_valid_pixel(reader, region, positions):
        raise DataError(f"{path}: every pixel is invalid (no-data, masked, transparent or NaN): nothing to upscale")
    if radiometry.assumed(network):
        check_unit_range(path, np.concatenate(seen), "in the blocks that were looked at")
    return check_range(path, seen, radiometry, network)


def _place_notes(path: str, dataset: DatasetReader) -> tuple[str, ...]:
    notes = []
    if dataset.crs is None and dataset.gcps[1] is None:
        notes.append(f"{path} has no coordinate reference system; neither has what is made of it")
    if any(not flags for flags in dataset.mask_flag_enums):
        notes.append(
            f"{path}: its bands have masks of their own; what is made of it has one, valid where all of them are"
        )
    if dataset.subdatasets:
        notes.append(f"{path} holds {len(dataset.subdatasets)} rasters; the first is upscaled")
    return tuple(notes)


def _identity(
    region: Window,
    bands: Sequence[Band],
    network: Sequence[int],
    radiometry: Radiometry,
) -> dict[str, Any]:
    """What is taken of a raster. Numbers that JSON has no word for are texts."""
    return {
        "region": [region.left, region.top, region.width, region.height],
        "dtype": radiometry.dtype,
        "bands": [
            {"index": band.index, "role": band.role, "nodata": None if band.nodata is None else str(band.nodata)}
            for band in bands
        ],
        "network_bands": list(network),
        "range": [list(radiometry.low), list(radiometry.high)],
    }
