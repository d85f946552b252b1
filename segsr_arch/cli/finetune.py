"""``segsr finetune``: from a network with a name to one for one's own region."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import torch

from segsr_arch.cli.arguments.finetune import FOLDER
from segsr_arch.cli.degradations import degradation_of
from segsr_arch.config import read_options
from segsr_arch.errors import ConfigError
from segsr_arch.files.names import folder_name_problem
from segsr_arch.finetuning.carrying_out import Order, carry_out
from segsr_arch.finetuning.places import LEAST_VAL
from segsr_arch.finetuning.region import RegionOptions
from segsr_arch.finetuning.run_options import TuneSettings
from segsr_arch.finetuning.start import Start, known_degradation, start_of_model, start_of_options
from segsr_arch.finetuning.workplace import TuneWorkplace
from segsr_arch.named_models import DEFAULT_NAME, DEFAULT_SCALE
from segsr_arch.named_models.card import ModelCard
from segsr_arch.named_models.folders import default_name, find_model, fix_folders, is_model
from segsr_arch.preparation.fixed_degradation import FixedDegradation
from segsr_arch.sources.image_names import portable_name
from segsr_arch.training.precision import fast_precision


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; returns 0."""
    fix_folders()  # the training runs in the folder of the run
    start = _start(args)
    name = args.name or portable_name(f"{start.name}-{args.src.resolve().stem}")
    place = TuneWorkplace(args.out or FOLDER / name)
    _check(args, start, name, place)
    degradation = _degradation(args, start)
    gpu = torch.cuda.is_available()
    settings = TuneSettings(
        name=name,
        dataset=portable_name(args.src.resolve().stem),
        patch=args.patch,
        batch=args.batch,
        learning_rate=args.lr,
        seed=args.seed,
        amp=fast_precision(torch.device("cuda" if gpu else "cpu")),
        num_gpu=int(gpu),
        degradation=None if degradation is None else degradation.given,
    )
    order = Order(
        start=start,
        settings=settings,
        region=RegionOptions(
            tile=_tile(args, start),
            least=args.patch * start.scale,
            val=args.val,
            seed=args.seed,
            most_train=args.tiles,
            most_val=max(LEAST_VAL, args.val_tiles),
        ),
        source=args.src,
        bands=args.bands,
        value_range=args.range,
        skip_unfit=args.skip_unfit,
        degradation=degradation,
        minutes=args.minutes,
        iterations=args.iterations,
        card={} if args.card is None else read_options(args.card),
    )
    with place.locked():
        place.agree_on(_asked(order))
        carry_out(order, place)
    return 0


def _start(args: argparse.Namespace) -> Start:
    """Find the network that is trained further."""
    if args.opt is not None and args.model is not None:
        raise ConfigError("Give either a network by its name (--model NAME) or an option file (-opt FILE).")
    if args.scale is not None and (args.opt or args.model):
        raise ConfigError(
            "--scale: chooses among the networks that need not be named; leave it out with -opt, --model."
        )
    if args.opt is not None:
        return start_of_options(args.opt)
    name = args.model or default_name(args.scale)
    if name is None:
        missing = DEFAULT_NAME.format(scale=args.scale or DEFAULT_SCALE)
        raise ConfigError(
            f"There is no network {missing}. Give one that segsr models lists (--model NAME), or -opt FILE."
        )
    return start_of_model(name)


def _check(args: argparse.Namespace, start: Start, name: str, place: TuneWorkplace) -> None:
    """Refuse what is wrong before anything is done."""
    problem = folder_name_problem(name)
    if problem is not None:
        raise ConfigError(f"--name {name}: {problem}")
    if name in (start.name, "bicubic"):
        raise ConfigError(f"--name {name}: is what it is compared with; choose another name.")
    if is_model(name) and ("exporting" not in place.done or find_model(name).shipped):
        raise ConfigError(
            f"--name {name}: there is a network of this name ({find_model(name).options}); choose another."
        )
    if not 0 < args.val < 1:
        raise ConfigError(f"--val {args.val:g}: is the share for validation, between 0 and 1.")
    if args.minutes <= 0:
        raise ConfigError(f"--minutes {args.minutes:g}: must be above 0.")
    if args.lr <= 0:
        raise ConfigError(f"--lr {args.lr:g}: must be above 0.")
    if args.card is not None:
        ModelCard.read(read_options(args.card))
    source, folder = args.src.resolve(), place.folder
    if source.is_dir() and source in (folder, *folder.parents):
        raise ConfigError(f"--out: {folder} lies in {args.src}, and its images would be taken, too; choose another.")


def _tile(args: argparse.Namespace, start: Start) -> int:
    """Side of a tile, a multiple of the scale."""
    tile: int = args.tile // start.scale * start.scale
    if tile < args.patch * start.scale:
        raise ConfigError(
            f"--tile {args.tile}: a tile holds a patch of {args.patch} LR pixels at least, {args.patch * start.scale} "
            f"at scale {start.scale}; give larger tiles or a smaller --patch."
        )
    return tile


def _degradation(args: argparse.Namespace, start: Start) -> FixedDegradation | None:
    """What LR images are made by: what is asked for, else what the card says."""
    known = known_degradation(start.card)
    if args.degradation is None and known is not None:
        chain = FixedDegradation(given=known, seed=args.degradation_seed or 0)
        try:
            chain.chain(start.scale)
        except ConfigError as error:
            raise ConfigError(f"{start.name}: degradation of its card: {error}; say it with --degradation.") from error
        return chain
    return degradation_of(args, scales=[start.scale])


def _asked(order: Order) -> dict[str, Any]:
    """What must be the same when a run goes on."""
    degradation = None if order.degradation is None else order.degradation.as_record()
    return {
        "source": str(Path(order.source).resolve()),
        "network": order.start.name,
        "weights": order.start.digest,
        **dataclasses.asdict(order.region),
        **dataclasses.asdict(order.settings),
        "bands": order.bands,
        "range": order.value_range,
        "degradation": degradation,
        "skip_unfit": order.skip_unfit,
        "length": f"{order.minutes:g} minutes" if order.iterations is None else f"{order.iterations} iterations",
    }
