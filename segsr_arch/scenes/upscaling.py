"""Upscales one scene: a raster in, one of the same place, type and meaning out."""

import contextlib
import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import takes_fields_of
from segsr_arch.scenes.engine import SceneTiles
from segsr_arch.scenes.job import SceneJob, prepare_job
from segsr_arch.scenes.maps import maps_store, write_maps
from segsr_arch.scenes.options import UpscaleOptions
from segsr_arch.scenes.output.disk_space import check_room
from segsr_arch.scenes.output.formats import consists_of, format_note
from segsr_arch.scenes.output.raster_spec import SPREAD, RasterFiles
from segsr_arch.scenes.output.store import SceneStore
from segsr_arch.scenes.pieces import StepFinisher
from segsr_arch.scenes.preview import check_preview, draw_preview
from segsr_arch.scenes.report import SceneReport, report_of, unmet
from segsr_arch.scenes.source.rasters import bounded_cache
from segsr_arch.scenes.source.reader import SceneReader
from segsr_arch.scenes.steps import Watch, run_steps
from segsr_arch.windows import Window

logger = logging.getLogger(__name__)


@takes_fields_of(UpscaleOptions)
def upscale(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    model: Any,
    *,
    maps: str | os.PathLike[str] | None = None,
    preview: str | os.PathLike[str] | None = None,
    keep_same: bool = False,
    shown: bool = False,
    watch: Watch | None = None,
    **options: Any,
) -> SceneReport:
    """Upscale a scene of any size; memory does not depend on it. What was interrupted goes on where it was.

    .. code-block:: python

        from segsr_arch.scenes import upscale

        report = upscale("scene.tif", "scene_x4.tif", network, tile=64, overlap=16)
        print(report.line())

    Args:
        src: What GDAL opens: a path, ``/vsizip/...``, ``s3://...``, ``NETCDF:"file":variable``.
        dst: Output, ``.tif``, ``.png`` or ``.jpg``. It appears when it is whole.
        model: Any callable from (B, 3, h, w) float32 in [0, 1], RGB, to (B, 3, s h, s w); a torch module; an
            ``ImageModelDescriptor`` of spandrel; a trained network of this package.
        maps: GeoTIFF of the guidance maps to write, see :func:`segsr_arch.scenes.maps.write_maps`.
        preview: PNG to draw: input, bicubic interpolation and output of the liveliest part.
        keep_same: Whether an output that the same call has made stays also with ``overwrite``.
        shown: Whether progress is shown on stderr, and notes are logged as warnings.
        watch: Is told from this thread what share of the scene the network has done, from 0 to 1. What it raises ends
            the work; the same call goes on.
        options: The fields of :class:`~segsr_arch.scenes.options.UpscaleOptions`.

    Returns:
        What was done, and how well the output agrees with the input.

    Raises:
        ConfigError: If an option is wrong, or what is asked for does not fit the scene or the model.
        DataError: If the scene cannot be read or is none that can be upscaled, or the model gives NaN.
        InUseError: If another process writes the same output.
        SaveError: If the output cannot be written; what was done is kept, and the same call goes on.
    """
    if preview is not None:
        check_preview(preview)
    job = prepare_job(src, model, UpscaleOptions(**options))
    if maps is not None:
        maps_store(job, maps).check_free()  # what cannot be is refused now, not after hours
    _check_apart(job, dst, {"--maps": maps, "--preview": preview})
    if preview is not None and not job.options.overwrite:
        check_preview(preview, of=dst)
    report = run_job(job, dst, keep_same=keep_same, shown=shown, watch=watch)
    if maps is not None:
        write_maps(job, maps, shown=shown)
    if preview is not None:
        draw_preview(job.scene, report, preview)
    return report


def _check_apart(
    job: SceneJob, dst: str | os.PathLike[str], others: Mapping[str, str | os.PathLike[str] | None]
) -> None:
    """See that nothing that is written besides the output displaces it, or what is read.

    Raises:
        ConfigError: If something would.
    """
    taken = {os.path.realpath(dst): "the output"}
    if job.model.extra:
        taken[os.path.realpath(RasterFiles.of(Path(dst), SPREAD).final)] = "the spread of the output"
    for argument, path in others.items():
        if path is None:
            continue
        place = os.path.realpath(path)
        if consists_of(job.scene.path, Path(path)):
            raise ConfigError(f"{argument} {path}: is what is read; choose another name.")
        if place in taken:
            raise ConfigError(f"{argument} {path}: is {taken[place]}; choose another name.")
        taken[place] = f"what {argument} writes"


def run_job(
    job: SceneJob,
    dst: str | os.PathLike[str],
    *,
    keep_same: bool = False,
    shown: bool = False,
    watch: Watch | None = None,
) -> SceneReport:
    """Carry out a job, or what is left of it.

    Args:
        job: The job.
        dst: Output.
        keep_same: See :func:`upscale`.
        shown: Whether progress is shown on stderr, and notes are logged as warnings.
        watch: See :func:`upscale`.

    Raises:
        SegsrError: What :func:`upscale` raises.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(bounded_cache())
        said = job.scene.metadata
        has_mask = said.has_mask or said.single_masks
        mask = _Mask(stack.enter_context(SceneReader(job.scene)), job) if has_mask else None
        specs = job.rasters(mask)
        store = SceneStore(
            dst,
            specs,
            identity=job.identity,
            overwrite=job.options.overwrite,
            keep_same=keep_same,
            sources=[job.scene.path],
            shown=shown,
        )
        stack.enter_context(store)
        if store.done:
            return dataclasses.replace(SceneReport.from_json(store.report), dst=str(dst))  # as it is called from here
        room = None if store.notes else check_room(dst, job.disk_need())
        before = (*job.scene.notes, *filter(None, (format_note(Path(dst), source=job.scene.path), room)))
        _say(before, shown)  # now, and not after hours
        after = _run_steps(job, store, shown=shown, watch=watch)
        if job.options.consistent:
            after = (*after, *unmet(store.notes))
        _say(after, shown)
        report = report_of(
            job.scene,
            dst=str(dst),
            scale=job.layout.scale,
            model=job.model.name,
            notes=(*before, *after),
            steps=store.notes,
            caption=job.options.caption,
        )
        store.finish(report.as_json())
        return report


def _say(notes: Sequence[str], shown: bool) -> None:
    for note in notes if shown else ():
        logger.warning("%s.", note.rstrip("."))


def _run_steps(job: SceneJob, store: SceneStore, *, shown: bool, watch: Watch | None) -> tuple[str, ...]:
    """Do the steps that are not done; returns what the model has to say."""
    scene, spread = job.scene, job.model.extra > 0
    with (
        contextlib.closing(SceneTiles(scene)) as around,
        StepFinisher(scene, job.layout, consistent=job.options.consistent, spread=spread) as finisher,
    ):
        model = job.model.for_scene(around.read, height=scene.height, width=scene.width)
        run_steps(
            scene,
            model,
            job.layout,
            store,
            finisher.finish,
            channels=3 + model.extra,
            batch=job.options.batch,
            shown=shown,
            watch=watch,
        )
        return model.notes


class _Mask:
    """Which pixels of the output are valid: those of pixels of the scene of which a band is, or where bands have masks
    of their own, all are.
    """

    def __init__(self, reader: SceneReader, job: SceneJob) -> None:
        self._reader, self._scale = reader, job.layout.scale
        self._over_bands = np.all if job.scene.metadata.single_masks else np.any

    def __call__(self, window: Window) -> np.ndarray:
        """Validity (h, w) of a window of the output."""
        scale = self._scale
        top, left = window.top // scale, window.left // scale
        bottom, right = -(-window.bottom // scale), -(-window.right // scale)
        part = Window(top=top, left=left, height=bottom - top, width=right - left)
        known = self._over_bands(self._reader.read(part).valid, axis=0)
        enlarged = known.repeat(scale, axis=0).repeat(scale, axis=1)
        rows, columns = window.top - top * scale, window.left - left * scale
        return np.asarray(enlarged[rows : rows + window.height, columns : columns + window.width])
