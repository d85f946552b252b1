"""A job: a scene, what upscales it, and how. All is decided here, before the first pixel is written."""

import dataclasses
import os
from dataclasses import dataclass
from typing import Any

from segsr_arch.scenes.layout import SceneLayout
from segsr_arch.scenes.network.ensemble import Ensemble
from segsr_arch.scenes.network.guidance import with_context
from segsr_arch.scenes.network.networks import as_scene_model
from segsr_arch.scenes.network.sampling_model import Drawing, refuse_turning, with_drawing
from segsr_arch.scenes.network.scene_model import SceneModel
from segsr_arch.scenes.network.scene_signals import Views
from segsr_arch.scenes.options import UpscaleOptions
from segsr_arch.scenes.output.disk_space import DiskNeed, compressed_share
from segsr_arch.scenes.output.metadata import BandMetadata, SceneMetadata
from segsr_arch.scenes.output.raster_spec import SPREAD, MaskSource, RasterSpec
from segsr_arch.scenes.pieces import needed_halo
from segsr_arch.scenes.source.description import describe_scene
from segsr_arch.scenes.source.reader import SceneReader
from segsr_arch.scenes.source.scene import Scene

METHOD_TAG = "SUPER_RESOLUTION_METHOD"
"""Band tag that says how a band was enlarged: the name of the network, ``bicubic`` or ``nearest``."""


@dataclass(frozen=True, kw_only=True)
class SceneJob:
    """A scene, what upscales it, and how: all that is decided before the first pixel is written.

    Attributes:
        scene: The scene.
        model: What upscales it, ensemble and context included.
        options: How.
        layout: How it is cut.
    """

    scene: Scene
    model: SceneModel
    options: UpscaleOptions
    layout: SceneLayout

    @property
    def identity(self) -> dict[str, Any]:
        """What tells its result from others, for JSON."""
        return {
            "scene": self.scene.identity,
            "model": self.model.identity,
            "options": self.options.results_depend_on,
        }

    def rasters(self, mask: MaskSource | None) -> list[RasterSpec]:
        """What is written: the scene, and the spread of an ensemble.

        Args:
            mask: Which pixels of the output are valid, where the scene has a mask.
        """
        metadata = self.scene.metadata.scaled(self.layout.scale)
        main = self._spec(_marked(metadata, self), count=len(self.scene.bands), dtype=self.scene.dtype, mask=mask)
        if not self.model.extra:
            return [main]
        return [main, self._spec(_of_spread(metadata, self), count=1, dtype="float32", suffix=SPREAD)]

    def disk_need(self) -> DiskNeed:
        """What the files will take, guessed from how well parts of the scene are compressed."""
        specs = self.rasters(None)
        with SceneReader(self.scene) as reader:
            share = compressed_share(
                lambda window: reader.read(window).values,
                height=self.scene.height,
                width=self.scene.width,
                coding=specs[0].coding,
            )
        return DiskNeed.of(specs, share=share)

    def _spec(
        self, metadata: SceneMetadata, *, count: int, dtype: str, suffix: str = "", mask: MaskSource | None = None
    ) -> RasterSpec:
        return RasterSpec(
            height=self.scene.height * self.layout.scale,
            width=self.scene.width * self.layout.scale,
            count=count,
            dtype=dtype,
            block=self.layout.block,
            suffix=suffix,
            compress=self.options.compress,
            cog=self.options.cog,
            metadata=metadata,
            mask=mask,
        )


def _marked(metadata: SceneMetadata, job: SceneJob) -> SceneMetadata:
    """Say of each band how it was made."""
    how = {"network": job.model.name, "rest": "bicubic", "alpha": "nearest"}
    bands = tuple(
        dataclasses.replace(band, tags={**band.tags, "": {**band.tags.get("", {}), METHOD_TAG: how[role.role]}})
        for band, role in zip(metadata.bands, job.scene.bands, strict=True)
    )
    return dataclasses.replace(metadata, bands=bands)


def _of_spread(metadata: SceneMetadata, job: SceneJob) -> SceneMetadata:
    """What is said of the spread: it lies where the scene does."""
    band = BandMetadata(description=f"spread of {job.model.name}", nodata=float("nan"))
    return dataclasses.replace(metadata, bands=(band,), tags={}, has_mask=False, single_masks=False)


def prepare_job(src: str | os.PathLike[str], model: Any, options: UpscaleOptions) -> SceneJob:
    """Decide everything about a scene before any of it is computed.

    Args:
        src: The scene.
        model: What upscales it, see :func:`upscale`.
        options: How.

    Raises:
        ConfigError: If what is asked for does not fit the scene or the model.
        DataError: If the scene cannot be read, or is none that can be upscaled.
    """
    scene = describe_scene(
        src,
        bands=options.bands,
        rest=options.rest,
        value_range=None if options.value_range is None else (options.value_range[0], options.value_range[1]),
        window=options.window,
        bounds=options.bounds,
        bounds_crs=options.bounds_crs,
    )
    scene_model = with_context(as_scene_model(model), options.context, views=Views.like_tiles(options.tile))
    scene_model = with_drawing(scene_model, Drawing(seed=options.seed, steps=options.steps, caption=options.caption))
    if options.ensemble:
        refuse_turning(scene_model)
        scene_model = Ensemble(scene_model)
    layout = SceneLayout(
        height=scene.height,
        width=scene.width,
        scale=scene_model.scale,
        tile=options.tile,
        overlap=options.overlap,
        halo=needed_halo(scene_model.scale, scene.dtype, consistent=options.consistent),
    )
    return SceneJob(scene=scene, model=scene_model, options=options, layout=layout)
