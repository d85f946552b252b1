"""The steps of a fine-tuning, each passed over if it is done: images, training, comparison, name."""

import functools
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from segsr_arch.errors import SegsrError
from segsr_arch.export.training_record import training_record
from segsr_arch.files.text_files import write_json, write_text
from segsr_arch.finetuning.region import RULE, RegionOptions, cut_region, find_region
from segsr_arch.finetuning.run_options import (
    DATA,
    VAL,
    TuneSettings,
    test_options,
    train_options,
    validation_passes,
)
from segsr_arch.finetuning.start import Start
from segsr_arch.finetuning.workplace import TuneWorkplace
from segsr_arch.named_models.card import UNKNOWN, ModelCard
from segsr_arch.preparation.data_sets import DATA_SETS
from segsr_arch.preparation.fixed_degradation import FixedDegradation
from segsr_arch.preparation.options import PreparationOptions
from segsr_arch.preparation.run import prepare
from segsr_arch.results.reading import read_record
from segsr_arch.results.record import EvaluationRecord
from segsr_arch.running.processes import available_cores
from segsr_arch.running.steps import run_step
from segsr_arch.text import duration
from segsr_arch.training.option_files import write_options
from segsr_arch.training.pace import STEPS, step_and_image_seconds

_MARGIN = 1.25  # a step of the loop takes longer than the network alone: it reads images, and saves
_LEAST_ITERATIONS = 10
_PSNR = "psnr_y-crop"
_TILES, _RESULTS, _PLACES = "tiles", "results", "places.json"


@dataclass(frozen=True, kw_only=True)
class Order:
    """A fine-tuning as it is asked for.

    Attributes:
        start: The network.
        settings: Its training.
        region: How images are cut and divided.
        source: Where they are.
        bands: Bands that are red, green and blue; ``None`` as the files say.
        value_range: Values that become 0 and 255 in files of other than 8 bits.
        skip_unfit: Whether files that do not fit are left out.
        degradation: Of LR images; ``None`` for the bicubic reduction alone.
        minutes: How long to train, unless iterations are given.
        iterations: How long, exactly.
        card: What people say of the result.
    """

    start: Start
    settings: TuneSettings
    region: RegionOptions
    source: Path
    bands: Sequence[int] | None
    value_range: Sequence[float] | None
    skip_unfit: bool
    degradation: FixedDegradation | None
    minutes: float
    iterations: int | None
    card: Mapping[str, Any]


def carry_out(order: Order, place: TuneWorkplace) -> None:
    """Do what is not done yet, and say what came out.

    The caller holds the place, and has agreed with it.

    Args:
        order: What is asked for.
        place: Where.

    Raises:
        SegsrError: If a step fails.
        KeyboardInterrupt: A training has saved its state then.
    """
    step = functools.partial(run_step, place.folder, threads=available_cores())
    if "images" not in place.done:
        _make_images(order, place)
    images = place.done["images"]
    print(*images["words"], sep="\n", flush=True)
    if "iterations" not in place.done:
        place.note("iterations", _iterations(order, images))
    iterations: int = place.done["iterations"]
    training = train_options(order.start, order.settings, iterations=iterations)
    options = place.write_options("train", training, command="basicsr train")
    tests = {
        kind: place.write_options(kind, content, command="segsr evaluate")
        for kind, content in test_options(order.start, order.settings).items()
    }
    if "trained" not in place.done:
        title = f"Train {order.settings.name} for {iterations} iterations"
        seconds = step(title, "segsr_arch.cli.basicsr", "train", "-opt", options, "--auto_resume")
        place.note("trained", {"seconds": seconds})
    if "compared" not in place.done:
        arguments = ("evaluate", "-opt", *tests.values(), "--report", "--out", _RESULTS)
        step("Evaluate bicubic, before and after", "segsr_arch.cli.segsr", *arguments)
        place.note("compared", True)
    psnr = {kind: _psnr(order, place, kind) for kind in tests}
    card = write_options(_card(order, place, psnr), comment="Card of the result.")
    if place.done.get("exported") != card:  # what people say of it may have changed
        write_text(place.folder / "card.yml", card)
        place.note("exporting", True)  # from now on there may be a network of this name
        arguments = ("export", "-opt", tests["after"], "--format", "named", "--name", order.settings.name)
        step("Export it by its name", "segsr_arch.cli.segsr", *arguments, "--card", "card.yml")
        place.note("exported", card)
    print(*_summary(order, place, psnr), sep="\n")


def _make_images(order: Order, place: TuneWorkplace) -> None:
    """Cut, divide and prepare the images; what is refused leaves nothing, and so binds nobody."""
    made = [place.folder / name for name in (_TILES, DATA, _PLACES)]
    try:
        _cut_and_prepare(order, place, made[0])
    except SegsrError:
        for path in made:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def _cut_and_prepare(order: Order, place: TuneWorkplace, tiles: Path) -> None:
    shutil.rmtree(tiles, ignore_errors=True)  # of a run that was interrupted here
    region = find_region(order.source, bands=order.bands, value_range=order.value_range, skip_unfit=order.skip_unfit)
    cut = cut_region(region, order.region, tiles)
    write_json(
        place.folder / _PLACES,
        {
            "rule": RULE,
            "rasters": {name: scene.path for name, scene in region.scenes.items()},
            "left_out": {**cut.left_out, "files": list(region.left_out)},
            **{
                split: {
                    tile.name: [tile.source, tile.window.left, tile.window.top, tile.window.width, tile.window.height]
                    for tile in chosen
                }
                for split, chosen in (("train", cut.division.train), (VAL, cut.division.val))
            },
        },
    )
    outcome = prepare(
        PreparationOptions(
            data_set=DATA_SETS["folder"],
            source=tiles,
            root=place.folder / DATA,
            scales=(order.start.scale,),
            split_files=None,
            patch=order.settings.patch,
            degradation=order.degradation,
            jobs=available_cores(),
        )
    )
    counts = {split: outcome.manifest["counts"][split]["by_scale"][f"x{order.start.scale}"] for split in ("train", VAL)}
    unfit = [f"left out: {line}" for line in region.left_out]
    words = [*cut.words(region, order.region), *unfit, f"LR images: {_degradation_words(order)}"]
    if order.value_range and region.depths == {True}:
        words.append("--range has no effect: all files are of 8 bits")
    place.note("images", {"words": words, "shallow": True in region.depths, "deep": False in region.depths, **counts})
    shutil.rmtree(tiles, ignore_errors=True)


def _degradation_words(order: Order) -> str:
    if order.degradation is None:
        return "bicubic reduction"
    return order.degradation.chain(order.start.scale).words().rstrip(".")


def _iterations(order: Order, images: Mapping[str, Any]) -> int:
    """How long to train: as asked, or what fits into the minutes by a few steps that are timed."""
    if order.iterations is not None:
        return order.iterations
    device = torch.device("cuda" if order.settings.num_gpu else "cpu")
    opt = train_options(order.start, order.settings, iterations=STEPS)
    side = order.region.tile // order.start.scale
    step, image = step_and_image_seconds(opt, device=device, lr_size=(side, side))
    budget = order.minutes * 60
    passes = validation_passes(1000, images[VAL])  # of any length: their number is the same
    found = math.floor((budget - passes * image) / (step * _MARGIN))
    iterations = max(_LEAST_ITERATIONS, found // 10 * 10)
    print(
        f"A step takes {step:.2f} s, a validation image {image:.2f} s: {iterations} iterations in "
        f"{duration(iterations * step * _MARGIN + passes * image)}",
        flush=True,
    )
    return iterations


def _record(order: Order, place: TuneWorkplace, method: str) -> EvaluationRecord:
    dataset = f"{order.settings.dataset}_{VAL}"
    return read_record(place.folder / _RESULTS / method / "evaluation" / dataset)


def _psnr(order: Order, place: TuneWorkplace, kind: str) -> float:
    """Mean PSNR on the validation images."""
    method = {"before": order.start.name, "after": order.settings.name}.get(kind, kind)
    return float(_record(order, place, method).summary[_PSNR].mean)


def _card(order: Order, place: TuneWorkplace, psnr: Mapping[str, float]) -> dict[str, Any]:
    """What is known of the result, and what people say of it."""
    base, images = order.start.card, place.done["images"]
    reading = _reading(order, images)
    record = training_record(place.folder / "experiments" / order.settings.name / "models" / "net_g_latest.pth")
    known = {
        "title": f"{order.start.name}, fine-tuned on {order.settings.dataset}",
        "use": f"images like those of {order.settings.dataset}{', with' * bool(reading)}{reading}",
        "trained_on": f"{images['train']} tiles of {order.settings.dataset}, split by place; LR images: "
        f"{_degradation_words(order)}; before, as {order.start.name}: {base.trained_on}",
        "training": f"{record.get('training', UNKNOWN)}; started with {order.start.name}",
        "figures": {
            f"PSNR y-crop on {images[VAL]} tiles of {order.settings.dataset}, left out by place": (
                f"{psnr['after']:.2f} dB (before {psnr['before']:.2f} dB, bicubic {psnr['bicubic']:.2f} dB)"
            )
        },
        "degradation": "bicubic" if order.degradation is None else order.degradation.given,
    }
    for key in ("limits", "licence"):
        if getattr(base, key) != UNKNOWN:
            known[key] = f"{getattr(base, key)} (of {order.start.name})"
    return ModelCard.read({**known, **order.card}).stated()


def _reading(order: Order, images: Mapping[str, Any]) -> str:
    """The arguments that segsr upscale needs to read such images as this training did."""
    given = (
        ("--bands", order.bands, ""),
        ("--range", images.get("deep", True) and order.value_range, " (not for 8 bits)"),
    )
    return "".join(
        f" {name} {' '.join(f'{value:g}' for value in values)}{but * images.get('shallow', False)}"
        for name, values, but in given
        if values
    )


def _summary(order: Order, place: TuneWorkplace, psnr: Mapping[str, float]) -> list[str]:
    """What came out, for people."""
    name, images = order.settings.name, place.done["images"]
    gain = psnr["after"] - psnr["before"]
    lines = [
        "",
        f"x{order.start.scale}, PSNR y-crop over {images[VAL]} tiles that training has not seen:",
        *(
            f"  {label:<{max(map(len, ('bicubic', order.start.name, name)))}}  {psnr[kind]:.2f} dB"
            for label, kind in (("bicubic", "bicubic"), (order.start.name, "before"), (name, "after"))
        ),
        f"{name} is {gain:+.2f} dB from {order.start.name}, with the weights after the last iteration: nothing was "
        f"selected on these tiles.",
    ]
    if gain <= 0:
        lines.append(f"warning: it is no better there than {order.start.name}; train longer, or give more images.")
    return [
        *lines,
        f"Report:   {place.folder / _RESULTS / 'report.html'}",
        f"Pictures: {place.folder / _RESULTS / 'figures'}",
        f"Network:  segsr upscale SRC DST --model {name}{_reading(order, images)}",
        f"Card:     segsr models {name}",
    ]
