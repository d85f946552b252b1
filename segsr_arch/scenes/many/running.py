"""Many scenes: one after another, in several processes, or with Ray; what fails does not keep the rest from running."""

import functools
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from tqdm import tqdm

from segsr_arch.errors import SegsrError, first_line
from segsr_arch.running.processes import threads_each
from segsr_arch.running.progress import progress
from segsr_arch.running.worker_team import Lost, WorkerTeam
from segsr_arch.scenes.many.jobs import SceneTask
from segsr_arch.scenes.options import Engine

RETRIES = 2
"""How often a scene is begun again whose process has ended."""


class Report(Protocol):
    """What is taken of the report of one scene."""

    @property
    def skipped(self) -> bool:
        """Whether it was done before, in the same way."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences that a user should read."""

    def line(self) -> str:
        """Say in one line what was done."""


@dataclass(frozen=True, kw_only=True)
class SceneOutcome:
    """How a scene ended.

    Attributes:
        task: What was to be done.
        report: What was done; ``None`` if it failed.
        error: Why it failed, a sentence; ``None`` if it did not.
        details: Traceback of a failure that is nobody's fault but the program's.
        seconds: How long it took.
    """

    task: SceneTask
    report: Report | None = None
    error: str | None = None
    details: str | None = None
    seconds: float = 0.0


def run_tasks(
    tasks: Sequence[SceneTask],
    recipe: Callable[[], Any],
    *,
    workers: int | None = None,
    engine: Engine = "processes",
    run_one: Callable[[SceneTask, Any], Report],
    retries: int = RETRIES,
    shown: bool = True,
) -> list[SceneOutcome]:
    """Do tasks, and go on where one fails; those that were done before in the same way are passed over.

    A bar counts the scenes, and names the one that was begun last; each has a line on stdout at its end. What a report
    has to say is written to stderr once, for the first scene of which it is true.

    Args:
        tasks: What is to be done.
        recipe: Makes the network, once in each process; can be pickled, such as a
            ``functools.partial(resolve_model, ...)``.
        workers: How many scenes at a time, each in a process of its own with its share of the cores. ``None`` is one
            after another in this process, or with Ray as many as it has cores.
        engine: ``processes`` of this machine, or ``ray``: the cluster that ``RAY_ADDRESS`` names, or without that one
            in this process.
        run_one: Does a task with the network; can be pickled.
        retries: How often a scene is begun again whose process has ended.
        shown: Whether bar and lines are shown.

    Returns:
        What became of each task, in their order.

    Raises:
        DependencyError: If Ray is asked for and not installed.
        SegsrError: What the recipe raises.
        KeyboardInterrupt: After all processes have ended; the same call goes on.
    """
    outcomes: dict[int, SceneOutcome] = {}
    told: set[str] = set()
    do = functools.partial(_attempt, run_one)
    with progress(total=len(tasks), unit="scene", what="upscale", shown=shown) as bar:

        def begun(task: SceneTask) -> None:
            bar.set_description(f"upscale {task.name}", refresh=True)

        ended: Iterable[tuple[int, SceneOutcome | Lost]]
        if engine == "ray":
            from segsr_arch.scenes.many.ray_engine import run_with_ray

            ended = run_with_ray(recipe, do, tasks, workers=workers, retries=retries, begun=begun, tick=bar.refresh)
        elif workers is None:
            ended = _one_after_another(recipe, do, tasks, begun)
        else:
            make = functools.partial(made_with_threads, recipe, threads_each(workers))
            team = WorkerTeam(make, jobs=workers, retries=retries)
            ended = team.run(do, tasks, begun=begun, tick=bar.refresh)
        for position, outcome in ended:
            if isinstance(outcome, Lost):
                outcome = SceneOutcome(task=tasks[position], error=f"{outcome.reason}.")
            outcomes[position] = outcome
            bar.update()
            if shown:
                _tell(outcome, told)
    return [outcomes[position] for position in range(len(tasks))]


def _tell(outcome: SceneOutcome, told: set[str]) -> None:
    """Write the line of a scene, and what its report has to say that was not said before of another."""
    tqdm.write(outcome_line(outcome), file=sys.stdout)
    for note in outcome.report.notes if outcome.report is not None and not outcome.report.skipped else ():
        names = (outcome.task.src, outcome.task.name, outcome.task.dst.name)
        sentence = note
        for name in names:
            sentence = sentence.replace(name, "")
        if sentence not in told:
            told.add(sentence)
            tqdm.write(
                f"{note}." if any(name in note for name in names) else f"{outcome.task.src}: {note}.", file=sys.stderr
            )


def outcome_line(outcome: SceneOutcome) -> str:
    """Say in one line how a scene ended."""
    if outcome.error is not None:
        return f"failed: {_named(outcome)}"
    assert outcome.report is not None
    return outcome.report.line()


def summary_lines(outcomes: Sequence[SceneOutcome]) -> list[str]:
    """Say at the end how many scenes are done, and list those that failed, each with its reason."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    before = sum(outcome.report is not None and outcome.report.skipped for outcome in outcomes)
    counts = [f"{len(outcomes) - len(failed) - before} done"]
    counts += [f"{before} done before"] * (before > 0) + [f"{len(failed)} failed"] * bool(failed)
    plural = "" if len(outcomes) == 1 else "s"
    lines = [f"{len(outcomes)} scene{plural}: {', '.join(counts)}"]
    if failed:
        lines += [f"  {_named(outcome)}" for outcome in failed]
        lines.append("The same command does these again, and no others.")
    return lines


def made_with_threads(recipe: Callable[[], Any], threads: int) -> Any:
    """Make the network of a worker process, which may use so many threads."""
    torch.set_num_threads(threads)
    return recipe()


def _named(outcome: SceneOutcome) -> str:
    """The reason of a failure, with the name of the scene unless it says it."""
    assert outcome.error is not None
    return outcome.error if outcome.task.src in outcome.error else f"{outcome.task.src}: {outcome.error}"


def _attempt(run_one: Callable[[SceneTask, Any], Report], model: Any, task: SceneTask) -> SceneOutcome:
    """Do one task; whatever it raises becomes its outcome: the others are done all the same."""
    begin = time.monotonic()
    try:
        report = run_one(task, model)
    except Exception as error:
        details = None if isinstance(error, SegsrError) else traceback.format_exc()
        seconds = time.monotonic() - begin
        return SceneOutcome(
            task=task, error=str(error) if details is None else first_line(error), details=details, seconds=seconds
        )
    return SceneOutcome(task=task, report=report, seconds=time.monotonic() - begin)


def _one_after_another(
    recipe: Callable[[], Any],
    do: Callable[[Any, SceneTask], SceneOutcome],
    tasks: Sequence[SceneTask],
    begun: Callable[[SceneTask], None],
) -> Iterator[tuple[int, SceneOutcome]]:
    model = recipe() if tasks else None
    for position, task in enumerate(tasks):
        begun(task)
        yield position, do(model, task)
