"""What would be done with a scene: windows, memory, size of the output, time. A few tiles are tried for that."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from segsr_arch.scenes.engine import SceneTiles
from segsr_arch.scenes.job import SceneJob
from segsr_arch.scenes.output.disk_space import DiskNeed
from segsr_arch.scenes.pieces import StepFinisher
from segsr_arch.scenes.report import peak_memory
from segsr_arch.text import duration

_TRIED_BATCHES = 3


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What is expected of a job.

    Attributes:
        job: The job.
        dst: Its output.
        network_seconds: Time of the network for all windows.
        finishing_seconds: Time of all that is done with what it gives, at the same time.
        memory: Most memory of the process, in bytes; ``None`` where the system does not tell what it has so far.
        disk: What its files take.
    """

    job: SceneJob
    dst: Path
    network_seconds: float
    finishing_seconds: float
    memory: int | None
    disk: DiskNeed

    def lines(self) -> list[str]:
        """All of it, for people."""
        scene, layout, options = self.job.scene, self.job.layout, self.job.options
        seconds = max(self.network_seconds, self.finishing_seconds)
        height, width = scene.height * layout.scale, scene.width * layout.scale
        memory = "unknown" if self.memory is None else f"about {self.memory / 1e6:.0f} MB"
        disk = self.disk
        return [
            f"{scene.path} -> {self.dst}: nothing is written, this is what would be done",
            f"  scene:   {scene.width} x {scene.height}, bands {', '.join(str(band.index) for band in scene.bands)}, "
            f"{scene.radiometry.words}",
            f"  network: {self.job.model.name}, x{layout.scale}, bands "
            f"{' '.join(str(scene.bands[band].index) for band in scene.network_bands)}",
            f"  windows: {layout.count_windows()} of {layout.tile} x {layout.tile}, overlap {layout.overlap}, "
            f"{options.batch} at once, in {len(layout)} step{'s' * (len(layout) > 1)}",
            f"  output:  {width} x {height}, about {disk.output / 1e6:.0f} MB ({options.compress}; "
            f"{disk.uncompressed / 1e6:.0f} MB without), at most about {disk.peak / 1e6:.0f} MB while it is written",
            f"  memory:  {memory}",
            f"  time:    about {duration(seconds)} (network {duration(self.network_seconds)}, reading, blending and "
            f"writing {duration(self.finishing_seconds)}, at the same time)",
            *(f"  note:    {note}" for note in (*scene.notes, *self.job.model.notes)),
        ]


def forecast(job: SceneJob, dst: Path) -> Forecast:
    """Try a few tiles and one step in the middle of a scene.

    Args:
        job: The job.
        dst: Its output; nothing is written.

    Raises:
        SegsrError: What the job itself would raise there.
    """
    layout, scene = job.layout, job.scene
    middle = list(layout.steps())[len(layout) // 2]
    windows = layout.windows((middle.first_row + middle.end_row) // 2, middle.outer)[: job.options.batch]
    with contextlib.closing(SceneTiles(scene)) as tiles:
        model = job.model.for_scene(tiles.read, height=scene.height, width=scene.width)
        batch = torch.stack([tiles.read(window) for window in windows])
    network = min(_timed(lambda: model(batch, windows)) for _ in range(_TRIED_BATCHES)) / len(windows)
    channels = 3 + model.extra
    outer = middle.outer.scaled(layout.scale)
    with StepFinisher(scene, layout, consistent=job.options.consistent, spread=model.extra > 0) as finisher:
        given = np.full((channels, outer.height, outer.width), 0.5, np.float32)
        finishing = _timed(lambda: finisher.finish(middle, given))
    so_far = peak_memory()
    sums = np.dtype(np.float64 if np.dtype(scene.dtype).kind == "f" else np.float32).itemsize
    rows = outer.height + layout.tile * layout.scale
    pending = 2 * channels * outer.width * outer.height * sums
    return Forecast(
        job=job,
        dst=dst,
        network_seconds=network * layout.count_windows(),
        finishing_seconds=finishing * len(layout),
        memory=None if so_far is None else so_far + channels * outer.width * rows * sums + pending,
        disk=job.disk_need(),
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
