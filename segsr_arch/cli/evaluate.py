"""``segsr evaluate``: figures that carry their protocol, of trained networks or of anybody's images."""

import argparse
import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from segsr_arch.cli.arguments.kinds import conversion_of
from segsr_arch.config.imports import import_entries
from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.chosen_metrics import ChosenMetrics
from segsr_arch.evaluation.dataset_items import check_dataset, dataset_items, has_ground_truth
from segsr_arch.evaluation.figures_and_report import write_pictures
from segsr_arch.evaluation.image_folders import ImageFolder, dataset_name_of, match_folders, scale_of
from segsr_arch.evaluation.measurement import Sample
from segsr_arch.evaluation.methods import Method, computed_samples, written_samples
from segsr_arch.evaluation.printed_comparisons import print_comparisons
from segsr_arch.evaluation.saved_evaluations import evaluation_folder, write_evaluation
from segsr_arch.evaluation.trained_network import TrainedNetwork, check_test, images_as_datasets
from segsr_arch.files.locking import locked
from segsr_arch.files.names import folder_name_problem, folder_of
from segsr_arch.images.conversion import Conversion
from segsr_arch.inference.cost import measure_cost
from segsr_arch.metrics import listing
from segsr_arch.metrics.catalogue import find_metric
from segsr_arch.metrics.metric import Metric
from segsr_arch.metrics.protocols import DEFAULT_PROTOCOL
from segsr_arch.named_models import SCHEME
from segsr_arch.named_models.folders import find_model
from segsr_arch.results.record import EvaluationRecord

MISSING = 1
_SHOWN_PROBLEMS = 20


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; returns 0, or 1 if something could not be measured and ``--allow-missing`` is not given."""
    if not args.list:
        _check_arguments(args)
    import_entries(args.imports, source="--imports")
    if args.list:
        print(listing.as_text())
        return 0
    with contextlib.ExitStack() as held:
        return _evaluate(args, held)


def _evaluate(args: argparse.Namespace, held: contextlib.ExitStack) -> int:
    """Evaluate, compare and draw, the methods' folders locked for as long as ``held`` is open."""
    records = _evaluate_folders(args, held) if args.sr else _evaluate_options(args, held)
    print()
    print_comparisons(records, out=args.out)
    for record in records:
        print(f"{record.method} on {record.dataset}: {evaluation_folder(args.out, record.method, record.dataset)}/")
    missing = 0
    if args.report:
        folders = [evaluation_folder(args.out, record.method, record.dataset) for record in records]
        missing = write_pictures(records, folders, out=args.out)
    problems = sum(len(record.problems) for record in records)
    if problems:
        words = f"{problems} problem{'s' if problems > 1 else ''}"
        print(f"{words}, listed in evaluation.json; the means leave them out.", file=sys.stderr)
    return MISSING if problems + missing and not args.allow_missing else 0


def _check_arguments(args: argparse.Namespace) -> None:
    if sum(map(bool, (args.opt, args.model, args.sr))) != 1:
        raise ConfigError(
            "Give either option files (-opt FILE ...), networks by name (--model NAME ... --gt DIR) or images (--sr "
            "DIR --gt DIR)."
        )
    if args.model and args.gt is None:
        raise ConfigError("--model: give the images to measure on, --gt DIR; without --lq they are reduced by bicubic.")
    if args.model and args.scale is not None:
        raise ConfigError("--scale: is for --sr; a network with a name has its own.")
    for name in ("gt", "lq", "scale", "dataset"):
        if args.opt and getattr(args, name) is not None:
            raise ConfigError(f"--{name}: is for --sr; with -opt, data sets and scale stand in the option file.")
    if args.imports and not args.sr:
        where = "a network with a name brings its own code" if args.model else "with -opt, imports: stands in the file"
        raise ConfigError(f"--imports: is for --sr; {where}.")
    if conversion_of(args).asks and not args.sr:
        raise ConfigError("--range, --bands: are for --sr; with -opt, the data sets have value_range: and bands:.")
    for name in ("force_yml", "no_images", "no_cost"):
        if args.sr and getattr(args, name):
            raise ConfigError(f"--{name.replace('no_', 'no-')}: is for -opt.")
    if args.samples is not None and args.sr:
        raise ConfigError("--samples: is for -opt; written images are not drawn again.")
    if args.samples is not None and args.samples < 2:
        raise ConfigError(f"--samples: needs at least 2 to tell their spread, got {args.samples}; or leave it out.")
    if args.scale is not None and args.scale < 1:
        raise ConfigError(f"--scale: must be at least 1, got {args.scale}.")


def _hold(out: Path, methods: Iterable[str], held: contextlib.ExitStack) -> None:
    """Lock the folders of methods: their evaluations lie in it, and ``basicsr test`` renames it."""
    for method in sorted(methods):
        held.enter_context(locked(out / folder_of(method)))


def _metrics(args: argparse.Namespace, *, vlm: Mapping[str, Any] | None = None, **given: Any) -> ChosenMetrics:
    """What is measured; the options of the vision-language model are the network's, changed by the command line."""
    changed = {"vlm": args.vlm, "pretrained": args.vlm_pretrained}
    semantics = {**(vlm or {}), **{key: value for key, value in changed.items() if value is not None}}
    return ChosenMetrics(
        vlm=semantics or None, clip_iqa_model=args.clip_iqa_model, clip_iqa_weights=args.clip_iqa_weights, **given
    )


def _tell_problems(record: EvaluationRecord) -> EvaluationRecord:
    """Print what is missing in an evaluation."""
    for line in record.problems[:_SHOWN_PROBLEMS]:
        print(f"problem: {line}", file=sys.stderr)
    if len(record.problems) > _SHOWN_PROBLEMS:
        print(f"problem: ... and {len(record.problems) - _SHOWN_PROBLEMS} more", file=sys.stderr)
    return record


def _evaluate_options(args: argparse.Namespace, held: contextlib.ExitStack) -> list[EvaluationRecord]:
    """Evaluate the networks of ``-opt`` on the data sets of their option files, or those of ``--model`` on ``--gt``."""
    files = args.opt or [find_model(name.removeprefix(SCHEME)).options for name in args.model]
    changes = [*(images_as_datasets(gt=args.gt, lq=args.lq, name=args.dataset) if args.model else ()), *args.force_yml]
    tests = [check_test(path, device=args.device, overrides=changes) for path in files]
    names = [test.opt["name"] for test in tests]
    if len(set(names)) < len(names):
        raise ConfigError(f"-opt: two option files have the same name: ({', '.join(sorted(names))}); rename one.")
    metrics = [[find_metric(name, test.opt["val"].get("metrics")) for name in args.metric] for test in tests]
    _hold(args.out, names, held)
    networks = [TrainedNetwork(test) for test in tests]
    for path, network in zip(files, networks, strict=True):
        if args.samples is not None and not network.samples:
            raise ConfigError(
                f"--samples: {path}: {network.opt['network_g']['type']} does not sample, its forward takes no seed: "
                f"all samples would be the same. Evaluate it without --samples."
            )
    return [
        record
        for network, chosen in zip(networks, metrics, strict=True)
        for record in _evaluate_network(args, network, chosen)
    ]


def _evaluate_network(
    args: argparse.Namespace, network: TrainedNetwork, metrics: Sequence[Metric]
) -> Iterator[EvaluationRecord]:
    method = Method(
        name=network.name,
        super_resolve=network.super_resolve,
        guidance=network.guidance if network.has_maps else None,
        cells_per_pixel=network.cells_per_pixel,
        samples=[partial(network.sample, number=number) for number in range(args.samples or 0)],
    )
    cost = None if args.no_cost else measure_cost(network.network)
    for name, dataset in network.datasets():
        check_dataset(dataset)
        chosen = _metrics(
            args,
            vlm=network.opt["network_g"].get("semantics"),
            metrics=metrics,
            protocols=args.protocol or [DEFAULT_PROTOCOL],
            scale=network.scale,
            device=network.device,
            with_gt=has_ground_truth(dataset),
        )
        samples = partial(
            computed_samples, method, dataset_items(dataset), scale=network.scale, save_images=not args.no_images
        )
        record = EvaluationRecord(
            method=network.name,
            dataset=name,
            scale=network.scale,
            cost=cost,
            options=network.text,
            samples=args.samples or 1,
        )
        origin = {"seed": network.opt.get("manual_seed"), "checkpoint": network.checkpoint, "vlm": network.vlm}
        folder = evaluation_folder(args.out, network.name, name)
        yield _tell_problems(write_evaluation(folder, record, samples, total=len(dataset), metrics=chosen, **origin))


def _evaluate_folders(args: argparse.Namespace, held: contextlib.ExitStack) -> list[EvaluationRecord]:
    """Evaluate the images of ``--sr``."""
    conversion = conversion_of(args)
    gt = ImageFolder.open(args.gt, "--gt", conversion) if args.gt else None
    lq = ImageFolder.open(args.lq, "--lq", conversion) if args.lq else None
    folders = dict(_named_folders(args.sr, conversion))
    matchings = {name: match_folders(folder, gt, lq) for name, folder in folders.items()}
    scale = args.scale or scale_of(matchings.values())
    protocols = args.protocol
    if protocols is None:
        protocols = [DEFAULT_PROTOCOL] if scale is not None else ["rgb", "y-full"]
        if scale is None:
            print("The scale is not known (give --scale or --lq), so y-crop and rgb-crop are left out: rgb, y-full.")
    chosen = _metrics(
        args,
        metrics=args.metric,
        protocols=protocols,
        scale=scale,
        device=_device(args.device),
        with_gt=gt is not None,
        with_lq=lq is not None,
    )
    dataset = _dataset_name(args)
    _hold(args.out, folders, held)
    records = []
    for name, matching in matchings.items():
        for note in matching.notes:
            print(note)
        record = EvaluationRecord(method=name, dataset=dataset, scale=scale, problems=matching.problems)
        folder, total = evaluation_folder(args.out, name, dataset), len(matching.matches)
        samples = written_samples(matching, scale=scale)
        written = write_evaluation(
            folder, record, partial(_made_before, samples), total=total, metrics=chosen, seed=None
        )
        records.append(_tell_problems(written))
    return records


def _made_before(samples: Iterator[Sample], _folder: Path) -> Iterator[Sample]:
    return samples


def _named_folders(given: Sequence[str], conversion: Conversion) -> list[tuple[str, ImageFolder]]:
    named: list[tuple[str, ImageFolder]] = []
    for text in given:
        name, separator, path = text.partition("=")
        if not separator:
            name, path = Path(text).resolve().name, text
        if not name.strip() or "/" in name:  # whatever else it is called, folder_of finds a folder for it
            raise ConfigError(f"--sr: {name!r} is the name of a method: it must not be empty or contain slashes.")
        if name in dict(named):
            raise ConfigError(f"--sr: two methods are called {name}; give them names: --sr NAME=DIR.")
        named.append((name, ImageFolder.open(path, "--sr", conversion)))
    return named


def _dataset_name(args: argparse.Namespace) -> str:
    if args.dataset is not None:
        problem = folder_name_problem(args.dataset)
        if problem:
            raise ConfigError(f"--dataset: {problem}.")
        return args.dataset
    return dataset_name_of(args.gt or args.lq or "images")


def _device(name: str | None) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch sees no GPU here; use --device cpu.")
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
