"""What a table does not say in its cells: conditions, what each spread covers, what is missing."""

import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from segsr_arch.capabilities import PRECISIONS
from segsr_arch.metrics.protocols import PROTOCOLS
from segsr_arch.reproduction.class_values import class_lines
from segsr_arch.reproduction.outcome import Measured, Outcome
from segsr_arch.reproduction.prepared_data import PreparedData
from segsr_arch.results.provenance import is_random_vlm

_ABOUT_MAPS = (
    "Maps: correlation between those of two units over the patches of an image, and deviation of one within an image, "
    "of the cosines before they are standardised or scaled; means over pairs or units, and images."
)
_SHOWN_PACKAGES = ("segsr", "torch", "basicsr", "open_clip_torch")


def command_line() -> str:
    """The command of this process, for people."""
    return shlex.join([Path(sys.argv[0]).stem, *sys.argv[1:]])


def title(outcome: Outcome) -> str:
    """What the table compares, where, and on which base."""
    table = outcome.plan.table
    base = "" if table.paper_base is None else f", base {table.base}"
    return f"{table.title}{base}, x{outcome.plan.settings.scale}"


def names_of_vlms(outcome: Outcome) -> dict[str, list[int]]:
    """Row numbers by vision-language model, as the evaluations name it; of guided rows that are measured."""
    found: dict[str, list[int]] = {}
    for row in outcome.rows:
        for vlm in _distinct(one.record.provenance.get("vlm") for one in row.measured):
            found.setdefault(vlm, []).append(row.planned.number)
    return found


def random_line(outcome: Outcome) -> str | None:
    """Say which rows were guided by random weights; ``None`` if no one was."""
    rows = sorted(number for vlm, rows in names_of_vlms(outcome).items() if is_random_vlm(vlm) for number in rows)
    if not rows:
        return None
    return (
        f"RANDOM WEIGHTS in the vision-language model of row{_s(rows)} {_listed(rows)}: this guidance carries no "
        f"semantic knowledge."
    )


def selection(outcome: Outcome) -> str:
    """How the measured network was chosen."""
    settings = outcome.plan.settings
    network = f"the moving average ({settings.preset.ema_decay:g}) of the weights"
    if settings.final_split == "val":
        return f"{network} after the last iteration; nothing was selected by these images"
    return f"{network} with the best PSNR on val; test images were measured once"


def measured_on(outcome: Outcome) -> str:
    """Images, protocol and selection, in one sentence."""
    settings = outcome.plan.settings
    counts = _distinct(len(one.record.images) for one in outcome.measured)
    images = f"{_listed(counts)} images" if counts else "the images"
    return (
        f"Measured on {images} of {settings.dataset_name(settings.final_split)}, mean over images, y-crop "
        f"({PROTOCOLS['y-crop'].description}); {selection(outcome)}."
    )


def conditions(outcome: Outcome) -> str:
    """Preset, iterations and seeds."""
    plan = outcome.plan
    preset, seeds, iterations = plan.settings.preset, plan.seeds, plan.settings.schedule.iterations
    size = "the paper's sizes" if preset.name == "full" else "networks and patches smaller than the paper's"
    spread = (
        f"seeds {_listed(seeds)}; ± is the sample standard deviation (n - 1) over seeds"
        if len(seeds) > 1
        else f"one seed ({seeds[0]}), so no deviation over seeds can be given"
    )
    precision = "" if plan.settings.amp is None else f", trained in {PRECISIONS[plan.settings.amp]} (autocast)"
    return (
        f"Preset {preset.name} ({size}): {iterations} iterations, batch {preset.batch}, LR patches of "
        f"{preset.lr_patch} x {preset.lr_patch}{precision}; {spread}."
    )


def caption(outcome: Outcome, data: PreparedData | None) -> list[str]:
    """Say under which conditions the values came about.

    Args:
        outcome: The outcome.
        data: The images; ``None`` if nobody looked.

    Returns:
        Sentences, one or a few a line; the first one says what is random.
    """
    loud = random_line(outcome)
    lines = [*([loud] if loud else []), conditions(outcome), measured_on(outcome)]
    for vlm, rows in names_of_vlms(outcome).items():
        lines.append(f"Vision-language model of row{_s(rows)} {_listed(rows)}: {vlm}, the same for all seeds.")
    if any(row.difference for row in outcome.rows):
        lines.append(_about_differences(outcome))
    if outcome.plan.table.tells_of_maps and any(one.maps for one in outcome.measured):
        lines.append(_ABOUT_MAPS)
    if any(row.paper for row in outcome.rows):
        lines.append(_about_the_paper(outcome))
    if outcome.plan.table.by_class:
        lines += class_lines(outcome)
    if outcome.measured:
        lines += [*_about_cost(outcome.measured), _about_time(outcome.measured)]
    if data is not None:
        kind = "" if data.kind != "folder" else " (prepared as a folder of images, not as that data set)"
        lines.append(f"Data: manifest digest {data.manifest_digest}{kind}.")
    lines += _about_versions(outcome.measured)
    lines.append(f"Command: {command_line()}")
    return lines


def figure_caption(outcome: Outcome) -> str:
    """What stands below a table's figure: the least that it must not be read without."""
    loud = random_line(outcome)
    sentences = [f"{title(outcome)}.", *([loud] if loud else []), measured_on(outcome), conditions(outcome)]
    return " ".join([*sentences, *(["Incomplete: see the table."] if missing_lines(outcome) else [])])


def missing_lines(outcome: Outcome) -> list[str]:
    """Say what is missing in which row, a line for each reason."""
    by_reason: dict[str, list[int]] = {}
    for row in outcome.rows:
        for reason in row.missing:
            by_reason.setdefault(reason, []).append(row.planned.number)
    return [f"Missing in row{_s(rows)} {_listed(rows)}: {reason}" for reason, rows in by_reason.items()]


def _about_differences(outcome: Outcome) -> str:
    several = any(len(row.difference.seeds) > 1 for row in outcome.rows if row.difference)
    over_seeds = (
        "mean ± standard deviation of the differences between runs of the same seed; this covers the choice of seeds "
        "on these images"
        if several
        else "of a single seed, which says nothing about other seeds"
    )
    return (
        f"Difference: PSNR minus that of the plain base, dB. Over seeds: {over_seeds}. Over images: each image's PSNR "
        f"averaged over the seeds, 95 % bootstrap interval; this covers the choice of images for these seeds."
    )


def _about_the_paper(outcome: Outcome) -> str:
    table = outcome.plan.table
    whose = f"with {table.paper_base} as the base, " if table.paper_base else ""
    return f"The paper's figures: {whose}full size, measured on its own test split, not here."


def _about_cost(measured: Sequence[Measured]) -> list[str]:
    costs = [one.record.cost for one in measured if one.record.cost is not None]
    if not costs:
        return []
    sizes = _distinct(" x ".join(map(str, cost.lr_size)) for cost in costs)
    devices = _distinct(cost.device for cost in costs)
    return [
        f"MACs, forward and memory: one LR image of {_listed(sizes)}, of each network's first seed; forward is the "
        f"median of a few passes on {_listed(devices)}, beside whatever else ran there; memory is what a pass holds at "
        f"most beyond the weights."
    ]


def _about_time(measured: Iterable[Measured]) -> str:
    places = _distinct(device_of(one) for one in measured)
    machines = _distinct(one.record.provenance.get("machine", {}).get("processor") for one in measured)
    return (
        f"Training time: median over seeds, with validations, up to a minute short where an attempt was killed; on "
        f"{_listed(places)}"
        f"{f' ({_listed(machines)})' if machines else ''}."
    )


def device_of(one: Measured) -> str:
    """On what a run was trained, for people."""
    progress = one.progress
    if progress.device == "cpu":
        return "CPU" if progress.threads is None else f"CPU, {progress.threads} thread{_s(range(progress.threads))}"
    return one.record.provenance.get("machine", {}).get("accelerator") or f"GPU {progress.device}"


def _about_versions(measured: Iterable[Measured]) -> list[str]:
    versions = [one.record.provenance.get("versions", {}) for one in measured]
    listed = [
        f"{package} {_listed(found)}"
        for package in _SHOWN_PACKAGES
        if (found := _distinct(each.get(package) for each in versions))
    ]
    return [f"Versions: {', '.join(listed)}."] if listed else []


def _distinct(values: Iterable) -> list:
    return list(dict.fromkeys(value for value in values if value is not None))


def _listed(values: Iterable) -> str:
    return ", ".join(map(str, values))


def _s(values: Iterable) -> str:
    return "s" if len(list(values)) > 1 else ""
