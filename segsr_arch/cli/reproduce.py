"""``segsr reproduce``: train and measure the networks of one of the paper's tables, over seeds, and write the table."""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from segsr_arch.cli.arguments.reproduce import MOST_JOBS
from segsr_arch.errors import ConfigError
from segsr_arch.reproduction.console import carry_out, print_estimate
from segsr_arch.reproduction.execution import Slot, cpu_slots, gpu_slots
from segsr_arch.reproduction.outcome import Outcome
from segsr_arch.reproduction.paper_tables import TABLE_KEYS, make_table
from segsr_arch.reproduction.plan import Plan, check_scale, make_plan
from segsr_arch.reproduction.plan_checks import check_plan, unavailable_lines
from segsr_arch.reproduction.prepared_data import PreparedData, find_data
from segsr_arch.reproduction.presets import PRESETS
from segsr_arch.reproduction.run_options import Settings, widened_base
from segsr_arch.reproduction.workplace import Workplace
from segsr_arch.running.processes import available_cores
from segsr_arch.running.progress import progress

MISSING = 1
_FIXED = ("pretrained", "random")  # weights that a row has whatever the preset's are
_FILE_ENDINGS = (".json", ".pt", ".pth", ".bin", ".safetensors")
_GOES_ON = "Trainings have saved their states, finished runs are kept; the same command goes on."


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; returns 0, or 1 if the table is not whole."""
    if args.list:
        _print_list()
        return 0
    if args.table is None or args.data is None:
        raise ConfigError("Give a table and --data DIR, the folder that segsr prepare has made; --list lists tables.")
    _check_arguments(args)
    place = Workplace(args.out)
    plan, data = _plan(args, place)
    for line in unavailable_lines(plan.rows):
        print(f"left out: {line}", file=sys.stderr)
    place.check(plan.runs)
    slots = _slots(args, [run for run in plan.runs if not place.progress(run).measured])
    _print_start(plan, place, slots)
    if args.dry_run:
        print_estimate(plan, place, slots=slots, data=data)
        return 0
    args.after_interruption = _GOES_ON
    return MISSING if _lacks(carry_out(plan, place, slots=slots, data=data)) else 0


def _check_arguments(args: argparse.Namespace) -> None:
    for name in ("iters", "jobs"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise ConfigError(f"--{name}: must be at least 1, got {getattr(args, name)}.")
    if _uses_gpu(args):
        gpu_slots(args.gpus or [0])


def _plan(args: argparse.Namespace, place: Workplace) -> tuple[Plan, PreparedData]:
    """Find out what is to be run, and check all of it."""
    table = make_table(args.table, base=args.base)
    check_scale(table, args.scale)
    data = find_data(args.data, dataset=table.dataset, scale=args.scale, final_split=args.test_on)
    settings = Settings(
        preset=PRESETS[args.preset],
        dataset=table.dataset,
        scale=args.scale,
        data=str(data.folder),
        iterations=args.iters,
        vlm=_from_anywhere("--vlm", args.vlm),
        vlm_pretrained=_from_anywhere("--vlm-pretrained", args.vlm_pretrained),
        num_gpu=int(_uses_gpu(args)),
        amp=args.amp,
        final_split=args.test_on,
        data_digest=data.used_digest,
        vlm_digest=_digest_of(args.vlm, args.vlm_pretrained),
    )
    plan = make_plan(table, settings, seeds=args.seeds, rows=args.rows)
    with progress(total=len(plan.rows), unit="row", what="check", keep=False) as bar:
        checked = check_plan(plan, measured=lambda run: place.progress(run).measured, progress=lambda row: bar.update())
    return checked, data


def _digest_of(*given: str | None) -> str | None:
    """SHA-256 over those of the arguments that are files; ``None`` if none is."""
    paths = [Path(name).expanduser() for name in given if name is not None]
    contents = [path for path in paths if path.is_file()]
    digest = hashlib.sha256()
    for path in contents:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest() if contents else None


def _from_anywhere(option: str, given: str | None) -> str | None:
    """Make the path of a file absolute, since the runs work in a folder of their own; names and tags stay."""
    if given is None:
        return None
    path = Path(given).expanduser()
    if path.is_file():
        return str(path.resolve())
    if path.suffix in _FILE_ENDINGS or given.startswith((".", "/", "~")):
        raise ConfigError(f"{option}: the file {given} does not exist (looked in {Path.cwd()}).")
    return given


def _uses_gpu(args: argparse.Namespace) -> bool:
    return args.gpus is not None or (args.jobs is None and torch.cuda.is_available())


def _slots(args: argparse.Namespace, left: Sequence) -> list[Slot]:
    if _uses_gpu(args):
        return gpu_slots(args.gpus or [0], jobs=args.jobs or 1)
    default = min(available_cores(), MOST_JOBS) if args.preset == "small" else 1
    jobs = default if args.jobs is None else args.jobs
    return cpu_slots(max(1, min(jobs, len(left))))


def _print_start(plan: Plan, place: Workplace, slots: Sequence[Slot]) -> None:
    settings, done = plan.settings, sum(place.progress(run).measured for run in plan.runs)
    iterations = settings.schedule.iterations
    gpus = list(dict.fromkeys(slot.device for slot in slots))
    several = len(slots) // len(gpus)
    where = ", ".join(f"GPU {gpu}" for gpu in gpus) + (f", {several} at a time on each" if several > 1 else "")
    if slots[0].device == "cpu":
        threads = slots[0].threads or 1
        where = f"CPU, {len(slots)} at a time with {threads} thread{'s' if threads > 1 else ''} each"
    print(
        f"{plan.table.key} x{settings.scale}, preset {settings.preset.name}, {iterations} iterations: "
        f"{len(plan.runs)} run{'s' if len(plan.runs) > 1 else ''}, {done} done; {where}; in {place.folder}"
    )
    for row in plan.rows:
        found = widened_base(row.row.variant, settings) if row.runs and row.row.variant is not None else None
        if found is not None:
            print(f"Row {row.number}, {row.row.label}: {found}.")
    rows = [
        row.number
        for row in plan.rows
        if row.runs and (row.runs[0].train["network_g"].get("semantics") or {"pretrained": ""})["pretrained"] is None
    ]
    if rows:
        print(
            f"The vision-language model of row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows))} has RANDOM "
            f"weights: no semantic knowledge. --vlm-pretrained gives it others."
        )


def _lacks(outcome: Outcome) -> bool:
    """Whether a row is missing or incomplete."""
    return any(len(row.measured) < len(outcome.plan.seeds) for row in outcome.rows)


def _print_list() -> None:
    for key in TABLE_KEYS:
        table = make_table(key)
        scales = ", ".join(f"x{scale}" for scale in table.scales)
        print(f"{key}: {table.title}; {table.dataset}, {scales}")
        for number, row in enumerate(table.rows, 1):
            key, weights = row.variant.key, row.variant.weights
            print(f"  {number:>2}  {row.label:<28}{key}{f', weights {weights}' if weights in _FIXED else ''}")
    print("\npresets:")
    for preset in PRESETS.values():
        iterations = ", ".join(f"{name} {schedule.iterations}" for name, schedule in preset.schedules.items())
        print(
            f"  {preset.name}: LR patches of {preset.lr_patch} x {preset.lr_patch}, batch {preset.batch}, iterations "
            f"{iterations}; {', '.join(preset.networks)}"
        )
