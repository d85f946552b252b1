"""The guidance maps of a scene as a raster of its own, one band a unit."""

import contextlib
import dataclasses
import os

import numpy as np

from segsr_arch.scenes.engine import SceneTiles
from segsr_arch.scenes.job import SceneJob
from segsr_arch.scenes.layout import SceneLayout, Step
from segsr_arch.scenes.network.guidance import maps_model
from segsr_arch.scenes.output.metadata import BandMetadata
from segsr_arch.scenes.output.raster_spec import RasterSpec
from segsr_arch.scenes.output.store import SceneStore
from segsr_arch.scenes.pieces import Piece, blocks_of
from segsr_arch.scenes.source.reader import SceneReader
from segsr_arch.scenes.source.scene import Scene
from segsr_arch.scenes.steps import run_steps


def write_maps(job: SceneJob, path: str | os.PathLike[str], *, shown: bool = False) -> None:
    """Write the maps that guide the units of a network, at the resolution of the scene.

    Args:
        job: The scene, the network and how it is run: with its context the maps are those that guide.
        path: GeoTIFF: a band a unit, named, float32, cosines from -1 to 1 or, where the guide standardises them and the
            name says so, deviations from their mean; NaN where the scene is invalid.
        shown: Whether progress is shown on stderr.

    Raises:
        ConfigError: If the network has no maps.
        SegsrError: See :func:`segsr_arch.scenes.upscaling.upscale`.
    """
    scene, options = job.scene, job.options
    model = maps_model(job.model)
    layout = _layout(job)
    with (
        maps_store(job, path) as store,
        contextlib.closing(SceneTiles(scene)) as around,
        SceneReader(scene) as reader,
    ):
        if store.done:
            return
        ready = model.for_scene(around.read, height=scene.height, width=scene.width)
        finish = _Masked(scene, layout, reader)
        channels = len(model.names)
        run_steps(scene, ready, layout, store, finish, channels=channels, batch=options.batch, shown=shown)
        store.finish({})


def maps_store(job: SceneJob, path: str | os.PathLike[str]) -> SceneStore:
    """Describe what :func:`write_maps` writes; nothing is touched.

    Raises:
        ConfigError: If the network has no maps, or they cannot be written there.
    """
    scene, options, layout = job.scene, job.options, _layout(job)
    names = maps_model(job.model).names
    bands = tuple(BandMetadata(description=name, nodata=float("nan")) for name in names)
    spec = RasterSpec(
        height=scene.height,
        width=scene.width,
        count=len(bands),
        dtype="float32",
        block=layout.block,
        compress=options.compress,
        cog=options.cog,
        metadata=dataclasses.replace(scene.metadata, bands=bands, tags={}, has_mask=False, single_masks=False),
    )
    identity = {**job.identity, "maps": list(names)}
    return SceneStore(path, [spec], identity=identity, overwrite=options.overwrite, sources=[scene.path])


def _layout(job: SceneJob) -> SceneLayout:
    scene, options = job.scene, job.options
    return SceneLayout(
        height=scene.height, width=scene.width, scale=1, tile=options.tile, overlap=options.overlap, halo=0
    )


class _Masked:
    """Makes blocks of maps: NaN where the scene is invalid."""

    def __init__(self, scene: Scene, layout: SceneLayout, reader: SceneReader) -> None:
        self._scene, self._layout, self._reader = scene, layout, reader

    def __call__(self, step: Step, given: np.ndarray) -> Piece:
        maps = given.astype(np.float32)
        pixels = self._reader.read(step.outer)
        if not pixels.all_valid:
            maps[:, ~pixels.valid[list(self._scene.network_bands)].all(axis=0)] = np.nan
        return Piece(blocks=[list(blocks_of(maps, step, self._layout))], note=dict)
