"""``segsr export``: a trained network for inference, here or elsewhere."""

import argparse
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from segsr_arch.cli.arguments.export import FOLDER
from segsr_arch.config import read_options
from segsr_arch.config.run_options import read_run_options
from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.trained_network import TrainedNetwork, load_trained
from segsr_arch.export import ENDINGS
from segsr_arch.export.checkpoint import ExportedCheckpoint, export_checkpoint, refuse_exported
from segsr_arch.export.comparison import Agreement, compare_networks
from segsr_arch.export.named_model import export_named
from segsr_arch.export.program import (
    INPUT,
    OUTPUT,
    SIZES,
    TOLERANCE,
    check_requirements,
    export_program,
)
from segsr_arch.export.training_record import training_record
from segsr_arch.files.locking import locked
from segsr_arch.files.names import folder_name_problem
from segsr_arch.named_models.folders import find_model, is_model, own_folder
from segsr_arch.running.progress import progress

_DRAWN_SIZE = (48, 72)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; returns 0."""
    if args.images < 1:
        raise ConfigError(f"--images: must be at least 1, got {args.images}.")
    is_program = args.format in ENDINGS
    if is_program:
        _check_program_arguments(args)
    name = _check_name(args)
    opt = read_run_options(args.opt, args.force_yml)
    trained = load_trained(args.opt, device="cpu" if is_program else args.device, overrides=args.force_yml)
    refuse_exported(opt)
    if trained.checkpoint is None:
        raise ConfigError(f"{args.opt}: path: pretrain_network_g: is missing; there is nothing to export.")
    if is_program:
        _write_program(trained, args)
    elif args.format == "named":
        _write_named(trained, opt, args, name or opt["name"])
    else:
        _write_checkpoint(trained, opt, args)
    return 0


def _check_program_arguments(args: argparse.Namespace) -> None:
    if args.precision not in (None, "fp32"):
        raise ConfigError(
            f"--precision {args.precision}: a program of --format {args.format} is in fp32; leave it out."
        )
    if args.device not in (None, "cpu"):
        raise ConfigError(
            f"--device {args.device}: a program of --format {args.format} is made on the cpu; leave it out."
        )
    check_requirements(args.format)


def _check_name(args: argparse.Namespace) -> str | None:
    """The name that is asked for."""
    is_named = args.format == "named"
    for argument, value in (("--name", args.name), ("--card", args.card)):
        if value is not None and not is_named:
            raise ConfigError(f"{argument}: is for --format named; leave it out.")
    if is_named and args.precision is not None:
        raise ConfigError(f"--precision {args.precision}: a network with a name is stored in float16; leave it out.")
    if args.name is None:
        return None
    name: str = args.name
    problem = folder_name_problem(name)
    if problem is not None:
        raise ConfigError(f"--name {name}: {problem}")
    return name


def _write_named(trained: TrainedNetwork, opt: Mapping[str, Any], args: argparse.Namespace, name: str) -> None:
    card = {} if args.card is None else read_options(args.card)
    card = {**training_record(Path(str(trained.checkpoint))), **card}
    folder = args.out or own_folder()
    if is_model(name) and find_model(name).shipped:
        raise ConfigError(f"--name {name}: is a network of this package; choose another name.")
    with locked(folder / name):
        exported = export_named(trained.network, opt, folder=folder, name=name, card=card)
    _compare(trained, exported, args, "float16")
    unstated = [key for key in ("title", "use", "limits", "licence", "data_licence") if key not in card]
    if unstated:
        print(f"The card does not state {', '.join(unstated)}; write them under card: in {exported.options}.")


def _write_program(trained: TrainedNetwork, args: argparse.Namespace) -> None:
    description = {
        "name": trained.name,
        "network": type(trained.network).__name__,
        "scale": trained.scale,
        "input": f"{INPUT}: (B, 3, H, W) float32, RGB in [0, 1]",
        "output": f"{OUTPUT}: (B, 3, {trained.scale}H, {trained.scale}W) float32, RGB about [0, 1], not clipped",
        "vision_language_model": trained.vlm or "none",
    }
    print(f"Translating {trained.name} to {args.format}; a large network takes minutes.", flush=True)
    stem = (args.out or FOLDER) / trained.name
    with locked(stem):
        program = export_program(trained.network, stem=stem, kind=args.format, description=description)
    print(
        f"{args.format} against the trained network at {len(SIZES)} sizes: largest difference "
        f"{program.largest_difference:.1e} of 1 (at most {TOLERANCE:.0e} is allowed)"
    )
    _print_file(program.path)


def _print_file(path: Path) -> None:
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")


def _write_checkpoint(trained: TrainedNetwork, opt: Mapping[str, Any], args: argparse.Namespace) -> None:
    precision = args.precision or "bf16"
    stem = (args.out or FOLDER) / f"{trained.name}_{precision}"
    with locked(stem):
        exported = export_checkpoint(trained.network, opt, stem=stem, precision=precision)
    _compare(trained, exported, args, precision)


def _compare(trained: TrainedNetwork, exported: ExportedCheckpoint, args: argparse.Namespace, precision: str) -> None:
    items = list(_items(trained, args.images))
    with progress(items, unit="image", what="compare", keep=False) as bar:
        agreement = compare_networks(trained.network, exported.network, bar, crop=trained.scale)
    print(_in_words(agreement, precision))
    for path in (exported.weights, exported.options):
        _print_file(path)


def _items(trained: TrainedNetwork, count: int) -> Iterator[Mapping[str, Any]]:
    """Images of the data sets, on the network's device; a drawn one if there is no data set."""
    found = False
    for _, dataset in trained.datasets():
        for item in itertools.islice(iter(dataset), count):
            found = True
            yield {key: item[key].to(trained.device) for key in ("lq", "gt") if key in item}
    if not found:
        generator = torch.Generator().manual_seed(0)
        yield {"lq": torch.rand(3, *_DRAWN_SIZE, generator=generator).to(trained.device)}


def _in_words(agreement: Agreement, precision: str) -> str:
    text = (
        f"{precision} against the trained network on {agreement.images} image{'s' if agreement.images > 1 else ''}: "
        f"PSNR {agreement.psnr:.1f} dB between them, largest difference {agreement.largest_difference:.2f} of 255"
    )
    if agreement.psnr_change is not None:
        text += f"; PSNR against the ground truth changes by {agreement.psnr_change:+.4f} dB (RGB, before rounding)"
    return text
