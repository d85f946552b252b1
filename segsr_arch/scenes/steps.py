"""Does the steps of a scene that are not done yet: the network, finishing, measuring and writing in a thread each."""

import collections
import itertools
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from segsr_arch.running.processes import give_back_memory
from segsr_arch.running.progress import progress
from segsr_arch.scenes.engine import Network, super_resolved_steps
from segsr_arch.scenes.layout import SceneLayout, Step
from segsr_arch.scenes.output.store import SceneStore
from segsr_arch.scenes.pieces import Piece
from segsr_arch.scenes.source.scene import Scene

Watch = Callable[[float], object]
"""Is told what share of a scene the network has done, 0 to 1; what it raises ends the work, which can go on later."""

_PENDING = 2  # commits that may be under way: one waits for its step to be finished, one is written
_STEPS_PER_TRIM = 8  # memory that was given back has to be asked for again, which after every step takes longer


def run_steps(
    scene: Scene,
    network: Network,
    layout: SceneLayout,
    store: SceneStore,
    finish: Callable[[Step, np.ndarray], Piece],
    *,
    channels: int,
    batch: int,
    shown: bool,
    watch: Watch | None = None,
) -> None:
    """Do the steps of a scene that are not done, and commit each.

    Args:
        scene: The scene.
        network: Maps tiles and their windows to ``channels`` channels; called from this thread.
        layout: How the scene is cut.
        store: Where steps are committed, and which are done. Notes get the ``seconds`` that a step took.
        finish: Makes blocks of what the network gave for a step; called from another thread, step after step.
        channels: Channels that the network gives.
        batch: Windows for which the network is called at once.
        shown: Whether progress is shown on stderr.
        watch: Is told from this thread of the share that is done.
    """
    start = len(store.notes)
    done = sum(step.inner.height * step.inner.width for step in itertools.islice(layout.steps(), start))
    total, name = scene.height * scene.width, store.dst.name
    last = time.monotonic()

    def advance(pixels: int) -> None:
        nonlocal done
        done += pixels
        bar.update(pixels)
        if watch is not None:
            watch(done / total)

    def commit(step: Step, finished: Future[Piece]) -> None:
        nonlocal last
        piece = finished.result()
        note = piece.note()
        if step.number != len(store.notes):
            return  # one before it has failed, and is told; nothing goes behind a gap
        before, last = last, time.monotonic()
        store.commit(piece.blocks, {**note, "seconds": last - before})

    finished: Future[Piece] | None = None
    commits: collections.deque[Future[None]] = collections.deque()
    with (
        progress(total=total, initial=done, unit="px", what=name, abbreviated=True, shown=shown) as bar,
        ThreadPoolExecutor(1, "commit") as writer,
        ThreadPoolExecutor(1, "finish") as finisher,
    ):
        for step, given in super_resolved_steps(
            scene,
            network,
            layout,
            channels=channels,
            start=start,
            batch=batch,
            dtype=np.float64 if np.dtype(scene.dtype).kind == "f" else np.float32,
            advance=advance,
        ):
            if len(commits) == _PENDING:
                commits.popleft().result()
            if finished is not None:
                finished.result()
            finished = finisher.submit(finish, step, given)
            commits.append(writer.submit(commit, step, finished))
            if step.number % _STEPS_PER_TRIM == 0:
                give_back_memory()
        for each in commits:
            each.result()
