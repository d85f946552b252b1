"""One task, with the network and what its option file says of tiles."""

from typing import Any

from segsr_arch.scenes.many.jobs import SceneTask
from segsr_arch.scenes.network.models import ResolvedModel
from segsr_arch.scenes.options import OF_OPTION_FILES
from segsr_arch.scenes.report import SceneReport
from segsr_arch.scenes.upscaling import upscale


def run_task(task: SceneTask, resolved: ResolvedModel, **more: Any) -> SceneReport:
    """Upscale one scene.

    Args:
        task: The scene, its destination, and options that were given.
        resolved: The network, and what its option file says of tiles.
        more: Further arguments of :func:`~segsr_arch.scenes.upscaling.upscale`.
    """
    return upscale(task.src, task.dst, resolved.model, **(task_options(task, resolved) | more))


def task_options(task: SceneTask, resolved: ResolvedModel) -> dict[str, Any]:
    """The options of a task: what was given, and else what the network's option file says."""
    tile = resolved.tile
    said = {} if tile is None else dict(zip(OF_OPTION_FILES, (tile.size, tile.overlap, tile.batch), strict=True))
    return said | dict(task.options)
