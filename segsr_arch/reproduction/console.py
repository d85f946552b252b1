"""What ``segsr reproduce`` shows while a table is run: a bar over all iterations, a line for each run, the table."""

import sys
import threading
import time
from collections.abc import Sequence

from tqdm import tqdm

from segsr_arch.errors import DataError, SegsrError
from segsr_arch.evaluation.figures.style import save_figure
from segsr_arch.reproduction.class_figure import draw_classes
from segsr_arch.reproduction.class_values import image_counts
from segsr_arch.reproduction.execution import Executor, Slot
from segsr_arch.reproduction.outcome import PSNR, SSIM, Measured, Outcome, collect
from segsr_arch.reproduction.plan import Plan, Run
from segsr_arch.reproduction.prepared_data import PreparedData
from segsr_arch.reproduction.table_figure import draw_outcome
from segsr_arch.reproduction.table_files import printed, table_name, write_outcome
from segsr_arch.reproduction.timing import STEPS, Pace, measure_pace, remaining_seconds, total_seconds
from segsr_arch.reproduction.workplace import Workplace
from segsr_arch.results.tables import Cell, Table, to_text
from segsr_arch.running.progress import progress
from segsr_arch.text import duration

_WRITING_SHARE = 0.05  # of the time may go into tables that are not whole yet


class _Watch:
    """Shows how far the runs are, and keeps the table up to date."""

    def __init__(self, plan: Plan, place: Workplace, *, slots: int, data: PreparedData) -> None:
        self._plan, self._place, self._slots, self._data = plan, place, slots, data
        self._runs = plan.runs
        self._before = {run.name for run in self._runs if place.progress(run).measured}
        self._reached = {run.name: place.iteration(run) for run in self._runs}
        self._finished: dict[str, float] = {}
        self.failed: dict[str, SegsrError] = {}
        self._next_table = 0.0
        self._guard = threading.Lock()
        self.bar = progress(
            total=sum(run.iterations for run in self._runs),
            initial=sum(self._reached.values()),
            unit="iteration",
            what=plan.table.key,
        )

    def report(self, run: Run, iteration: int) -> None:
        """Note the iteration that a run has come to; from any thread."""
        with self._guard:
            step = iteration - self._reached[run.name]
            if step > 0:
                self._reached[run.name] = iteration
                self.bar.update(step)

    def done(self, run: Run, error: SegsrError | None) -> None:
        """Note that a run has ended."""
        if error is not None:
            self.failed[run.name] = error
            tqdm.write(f"failed: {error}", file=sys.stderr)
            return
        noted = self._place.progress(run)
        try:
            one = Measured(run=run, record=self._place.record(run), progress=noted)
        except DataError as unreadable:
            self.done(run, unreadable)
            return
        self._finished[run.name] = noted.train_seconds
        last = ", done before" if run.name in self._before else self._left()
        tqdm.write(
            f"{run.name}: PSNR {one.mean(PSNR):.4f} dB, SSIM {one.mean(SSIM):.4f} ({run.dataset}, y-crop), trained "
            f"{duration(noted.train_seconds)}{last}"
        )
        if run.name not in self._before:
            self._write_early()

    def _left(self) -> str:
        ended = self._finished.keys() | self.failed.keys() | self._before
        left = [run for run in self._runs if run.name not in ended]
        if not left:
            return ""
        seconds = remaining_seconds(
            [run for run in self._runs if run.name not in self.failed],
            finished=self._finished,
            reached=self._reached,
            slots=self._slots,
        )
        return f"; {len(left)} of {len(self._runs)} runs left" + ("" if seconds is None else f", {duration(seconds)}")

    def _write_early(self) -> None:
        """Write the table as far as it is there, unless that was just done."""
        start = time.monotonic()
        if start < self._next_table:
            return
        try:
            write_table(collect(self._plan, self._place, failed=self.failed), self._place, self._data)
        except SegsrError as error:  # at the end it is written again, and told
            tqdm.write(f"the table is not written yet: {error}", file=sys.stderr)
        self._next_table = time.monotonic() + (time.monotonic() - start) / _WRITING_SHARE


def write_table(outcome: Outcome, place: Workplace, data: PreparedData) -> list:
    """Write all files of a table into the folder of its runs; returns their paths.

    Raises:
        SaveError: If one cannot be written.
    """
    paths = write_outcome(place.folder, outcome, data)
    if any(row.values for row in outcome.rows):
        draw = draw_classes if outcome.plan.table.by_class and any(image_counts(outcome).values()) else draw_outcome
        paths += save_figure(draw(outcome), place.folder / table_name(outcome.plan))
    return paths


def carry_out(plan: Plan, place: Workplace, *, slots: Sequence[Slot], data: PreparedData) -> Outcome:
    """Carry out what is not done of a plan, write its table and print it.

    Args:
        plan: The plan, checked.
        place: Where.
        slots: How many runs at a time, and on what.
        data: The images.

    Returns:
        What came out.

    Raises:
        InUseError: If another process works in the folder.
        SaveError: If the table cannot be written.
        KeyboardInterrupt: After all trainings have saved their states.
    """
    with place.locked():
        watch = _Watch(plan, place, slots=len(slots), data=data)
        with watch.bar:
            Executor(workplace=place, slots=slots, report=watch.report, done=watch.done).carry_out(plan.runs)
        outcome = collect(plan, place, failed=watch.failed)
        paths = write_table(outcome, place, data)
    print(f"\n{printed(outcome, data)}\n")
    for path in paths:
        print(path)
    return outcome


def print_estimate(plan: Plan, place: Workplace, *, slots: Sequence[Slot], data: PreparedData) -> None:
    """Print the runs of a plan, how far they are, and how long they will take; nothing is written.

    Args:
        plan: The plan, checked.
        place: Where they would run.
        slots: How many runs at a time, and on what.
        data: The images.
    """
    left = {run.name: run for run in plan.runs if not place.progress(run).measured}
    networks = {run.network: run for run in left.values()}
    paces: dict[str, Pace] = {}
    with progress(total=STEPS * len(networks), unit="step", what="timing", keep=False) as bar:
        for network, run in networks.items():
            paces[network] = measure_pace(run, slot=slots[0], lr_size=data.lr_size, step_done=bar.update)
    seconds = {
        name: paces[run.network].seconds(
            run,
            done=place.iteration(run),
            validation_images=data.images["val"],
            final_images=data.images[plan.settings.final_split],
        )
        for name, run in left.items()
    }
    rows = []
    for run in plan.runs:
        cells = [run.name, str(run.iterations), _state(run, place)]
        pace = paces.get(run.network)
        cells += ["-", "-"] if run.name not in left else [f"{pace.step:.2f} s", duration(seconds[run.name])]
        rows.append(tuple(Cell(value=text) for text in cells))
    headers = ("run", "iterations", "state", "a step", "at least")
    print(f"\n{to_text(Table(headers=headers, rows=tuple(rows)))}\n")
    if not left:
        print("Everything is done; the command writes the table.")
        return
    together = duration(total_seconds(list(seconds.values()), len(slots)))
    print(
        f"Together at least {together} with {len(slots)} at a time. A rough lower estimate, from a few steps of one "
        f"network at a time: no loading of images, no saving, and nothing else on this machine."
    )


def _state(run: Run, place: Workplace) -> str:
    noted = place.progress(run)
    if noted.measured:
        return "done"
    if noted.trained:
        return "trained, not measured"
    reached = place.iteration(run)
    return f"{reached} of {run.iterations}" if reached else "not started"
