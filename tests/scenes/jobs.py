"""Rasters that the store writes, block by block, as a job does."""

import hashlib

import numpy as np

from segsr_arch.scenes.output.block import Block
from segsr_arch.scenes.output.raster_spec import RasterSpec
from segsr_arch.scenes.output.store import SceneStore


def random_values(seed, shape, dtype):
    """Values of the whole range of an integer type, or about zero."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def spec_of(values, **settings):
    """The description of a raster of these values, (count, height, width)."""
    count, height, width = values.shape
    return RasterSpec(**{"count": count, "height": height, "width": width, "dtype": values.dtype.name, **settings})


def blocks_of(values, spec, row):
    """The blocks of a raster in one row of them."""
    size = spec.block
    return [
        Block(row, column, values[:, row * size : (row + 1) * size, column * size : (column + 1) * size])
        for column in range(-(-spec.width // size))
    ]


def commit_rest(store, rasters, *, until=None):
    """Commit the rows of blocks that are missing, each with a note.

    Args:
        store: The store.
        rasters: Values and description of each raster.
        until: Row to stop before.
    """
    rows = -(-rasters[0][1].height // rasters[0][1].block)
    for row in range(len(store.notes), rows if until is None else until):
        store.commit([blocks_of(values, spec, row) for values, spec in rasters], {"row": row, "sum": row / 7})


def write_tiled(path, values, *, identity=None, overwrite=False, **settings):
    """Write a raster of values (count, height, width) as a job does; returns its description."""
    spec = spec_of(values, **settings)
    with SceneStore(path, [spec], identity=identity or {}, overwrite=overwrite) as store:
        commit_rest(store, [(values, spec)])
        store.finish({})
    return spec


def digest(path):
    """Checksum of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(folder):
    """What lies in a folder, hidden files included."""
    return sorted(path.name for path in folder.iterdir())
