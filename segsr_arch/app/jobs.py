"""What a visitor asks for, and what is made of it: by the machinery of ``segsr upscale``, one job at a time."""

import contextlib
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segsr_arch.app.networks import OfferedNetwork
from segsr_arch.app.visits import Upload
from segsr_arch.diffusion.samplers.sampling import steps_watched
from segsr_arch.errors import ConfigError, SegsrError
from segsr_arch.scenes.job import prepare_job
from segsr_arch.scenes.many.inferences import with_samples
from segsr_arch.scenes.many.jobs import SceneTask
from segsr_arch.scenes.many.one_task import run_task, task_options
from segsr_arch.scenes.many.source_names import output_name, suffix_like
from segsr_arch.scenes.options import UpscaleOptions
from segsr_arch.scenes.output.raster_spec import SPREAD, RasterFiles
from segsr_arch.scenes.report import SceneReport
from segsr_arch.scenes.source.scene import Scene

Watch = Callable[[float, str], object]
"""Is told what share of a job is done, from 0 to 1, and what is being done."""
MOST_SAMPLES = 16
_MADE = "made-"
_WAITING = "waiting for the image of somebody else"
_LOOK_SECONDS = 0.2
_one_at_a_time = threading.Lock()  # a network runs for one job, and jobs share the cores


class StoppedError(Exception):
    """The visitor has stopped the job, or is gone."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a visitor asks for; what the network cannot be told is refused by ``segsr upscale``'s own checks.

    Attributes:
        seed: Of a network that samples; ``None`` for that of its options.
        steps: Of its sampler; ``None`` for those of its options.
        caption: Words for it; ``None`` for none.
        samples: How many are drawn, of the seed and those after it.
        bands: The bands that are red, green and blue, from 1; ``None`` for those that the file calls so.
        value_range: The stored values that are 0 and 1; ``None`` for those of file or type.
        consistent: Whether the output is changed so that it gives the input again when it is reduced.
        ensemble: Whether the mean over flips and rotations is taken, which gives a spread.
        maps: Whether a guided network writes its maps.

    Raises:
        ConfigError: If the number of samples is none.
    """

    seed: int | None = None
    steps: int | None = None
    caption: str | None = None
    samples: int = 1
    bands: tuple[int, ...] | None = None
    value_range: tuple[float, float] | None = None
    consistent: bool = False
    ensemble: bool = False
    maps: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.samples <= MOST_SAMPLES:
            raise ConfigError(f"samples: {self.samples} is not a whole number from 1 to {MOST_SAMPLES}.")

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of :func:`~segsr_arch.scenes.upscale`."""
        names = ("seed", "steps", "caption", "bands", "value_range", "consistent", "ensemble")
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Made:
    """What was made of an image.

    Attributes:
        upload: The image.
        scene: The image as ``segsr upscale`` sees it.
        network: What has enlarged it.
        reports: What was done, a report a sample.
        maps: Raster of the guidance maps; ``None`` without.
        spread: Raster of the spread of an ensemble; ``None`` without.
    """

    upload: Upload
    scene: Scene
    network: OfferedNetwork
    reports: tuple[SceneReport, ...]
    maps: Path | None
    spread: Path | None

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The enlarged image, once a sample."""
        return tuple(Path(report.dst) for report in self.reports)

    @property
    def downloads(self) -> tuple[Path, ...]:
        """All files that are for the visitor."""
        return (*self.outputs, *filter(None, (self.spread, self.maps)))


def carry_out(
    upload: Upload, network: OfferedNetwork, wish: Wish, *, watch: Watch = lambda _share, _what: None
) -> Made:
    """Enlarge an image as a visitor asks; waits until nobody else's is being enlarged.

    Args:
        upload: The image.
        network: The network.
        wish: How.
        watch: Is told of the progress.

    Raises:
        SegsrError: What :func:`~segsr_arch.scenes.upscale` raises, with the image's own name.
        StoppedError: If the visitor stops it, gives another image, or leaves.
    """
    upload.stop.clear()
    try:
        with _turn(upload, watch), own_words(upload):
            return _made(upload, network, wish, watch)
    finally:
        if upload.dropped.is_set():
            upload.drop()  # what was written since


def _made(upload: Upload, network: OfferedNetwork, wish: Wish, watch: Watch) -> Made:
    before = list(upload.folder.glob(f"{_MADE}*"))
    folder = upload.folder / f"{_MADE}{secrets.token_hex(4)}"  # another address: browsers keep what they have seen
    name = output_name(upload.source.name, suffix_like(upload.source.name))
    task = SceneTask(src=str(upload.source), dst=folder / name, options={**wish.options, "overwrite": True})
    first = wish.seed or 0
    tasks = with_samples([task], wish.samples, first=first) if wish.samples > 1 else [task]
    job = prepare_job(task.src, network.resolved.model, UpscaleOptions(**task_options(tasks[0], network.resolved)))
    maps = folder / f"{task.dst.stem}.maps.tif" if wish.maps and network.guided is not None else None
    reports = []
    progress = _Progress(upload, network, windows=job.layout.count_windows(), samples=len(tasks), watch=watch)
    for number, each in enumerate(tasks):
        progress.begin(number, steps=network.steps if wish.steps is None else wish.steps)
        with steps_watched(progress.step):
            reports.append(run_task(each, network.resolved, maps=None if number else maps, watch=progress.tell))
    for old in before:
        shutil.rmtree(old, ignore_errors=True)
    spread = RasterFiles.of(task.dst, SPREAD).final
    return Made(
        upload=upload,
        scene=job.scene,
        network=network,
        reports=tuple(reports),
        maps=maps,
        spread=spread if wish.ensemble else None,
    )


def _check_wanted(upload: Upload) -> None:
    if upload.stop.is_set() or upload.dropped.is_set():
        raise StoppedError


class _Progress:
    """How far a job is: by windows, and within a window by the steps of a network that samples.

    Args:
        upload: The image; work that is not wanted any more ends here.
        network: What is at work.
        windows: How many windows the scene has.
        samples: How many samples are drawn.
        watch: Is told.
    """

    def __init__(self, upload: Upload, network: OfferedNetwork, *, windows: int, samples: int, watch: Watch) -> None:
        self._upload, self._network, self._watch = upload, network, watch
        self._windows, self._samples = windows, samples
        self._number = self._steps = self._step = 0
        self._share = 0.0

    def begin(self, number: int, *, steps: int) -> None:
        """Begin with a sample, from 0, of so many steps a window; none of a network that does not sample."""
        self._number, self._steps = number, steps
        self.tell(0.0)

    def tell(self, share: float) -> None:
        """Windows are done: so large a share of the scene."""
        self._share, self._step = share, 0
        self._say()

    def step(self) -> None:
        """A step of a window is done. Some networks take others than they were told; the bar does not overtake."""
        self._step = min(self._step + 1, self._steps)
        self._say()

    def _say(self) -> None:
        _check_wanted(self._upload)
        parts = [self._network.name]
        if self._samples > 1:
            parts.append(f"sample {self._number + 1} of {self._samples}")
        within = 0.0
        if self._step:
            parts.append(f"step {self._step} of {self._steps}")
            within = self._step / self._steps / self._windows
        share = (self._number + min(1.0, self._share + within)) / self._samples
        self._watch(share, ", ".join(parts))


@contextlib.contextmanager
def _turn(upload: Upload, watch: Watch) -> Iterator[None]:
    """Wait for one's turn, and keep it for the block."""
    while not _one_at_a_time.acquire(timeout=_LOOK_SECONDS):
        _check_wanted(upload)
        watch(0.0, _WAITING)
    try:
        yield
    finally:
        _one_at_a_time.release()


@contextlib.contextmanager
def own_words(upload: Upload) -> Iterator[None]:
    """Leave the folders of this machine out of what is told; a job whose files are gone was dropped."""
    try:
        yield
    except SegsrError as error:
        _check_wanted(upload)
        raise type(error)(upload.named(str(error))) from error


def with_bands(text: str) -> tuple[int, ...] | None:
    """Read the numbers of bands as a visitor writes them: ``4 3 2``; nothing stands for those that the file names.

    Raises:
        ConfigError: If it is something else.
    """
    parts = text.replace(",", " ").split()
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise ConfigError(f"bands: {text!r}: give whole numbers, counted from 1, such as 4 3 2.")
    return tuple(map(int, parts)) or None


def with_range(text: str) -> tuple[float, float] | None:
    """Read LO and HI as a visitor writes them: ``0 10000``; nothing stands for the range of file or type.

    Raises:
        ConfigError: If it is something else.
    """
    parts: Sequence[str] = text.replace(",", " ").split()
    try:
        low, high = map(float, parts) if parts else (None, None)
    except ValueError:
        raise ConfigError(
            f"range: {text!r}: give two numbers, those that are black and white, such as 0 10000."
        ) from None
    return None if low is None or high is None else (low, high)
