"""The check of a plan before anything runs: rows that cannot be run are found at once, not after hours."""

from collections.abc import Callable
from dataclasses import replace

from segsr_arch.config import check_options
from segsr_arch.errors import ConfigError, SegsrError
from segsr_arch.reproduction.plan import Plan, PlannedRow, Run


def check_plan(
    plan: Plan,
    *,
    measured: Callable[[Run], bool] = lambda run: False,
    progress: Callable[[PlannedRow], object] = lambda row: None,
) -> Plan:
    """Put the options of each network to the check that ``basicsr train`` begins with.

    Args:
        plan: The plan; the folder of its data must be there.
        measured: Whether a run has been measured. It needs nothing any more, and stays in its row whatever is refused.
        progress: Called with each row when it has been checked.

    Returns:
        The plan, in which rows whose options are refused say why and have no runs but the measured ones.

    Raises:
        ConfigError: If no row can be run; all reasons are named.
    """
    rows = []
    for row in plan.rows:
        left = [run for run in row.runs if not measured(run)]
        reason = row.unavailable or (_problem(left[0]) if left else "")
        runs = tuple(run for run in row.runs if not reason or run not in left)
        rows.append(replace(row, runs=runs, unavailable=reason))
        progress(row)
    if not any(row.runs for row in rows):
        raise ConfigError("No row can be run.\n" + "\n".join(unavailable_lines(rows)))
    return replace(plan, rows=tuple(rows))


def _problem(run: Run) -> str:
    """Say why a run's options are refused; empty if they are not."""
    # The weights of the measurement are not there before the training.
    final = {**run.final, "path": {**run.final["path"], "pretrain_network_g": None}}
    try:
        check_options(run.train, is_train=True, source=run.name)
        check_options(final, is_train=False, source=run.name)
    except SegsrError as error:
        lines = [line.strip().removeprefix("- ") for line in str(error).splitlines()]
        text = " ".join(lines[1:] if len(lines) > 1 else lines)
        return f"{text} (here: --vlm-pretrained)" if "semantics: pretrained:" in text else text
    return ""


def unavailable_lines(rows: list[PlannedRow] | tuple[PlannedRow, ...]) -> list[str]:
    """Name the rows that cannot be run, a line for each reason."""
    by_reason: dict[str, list[PlannedRow]] = {}
    for row in rows:
        if row.unavailable:
            by_reason.setdefault(row.unavailable, []).append(row)
    return [
        f"{', '.join(f'{row.number} {row.row.label}' for row in members)}: {reason}"
        for reason, members in by_reason.items()
    ]
