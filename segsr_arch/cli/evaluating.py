"""What ``segsr evaluate`` does: networks and folders of images become evaluation records on the disk."""

import argparse
import contextlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from segsr_arch.cli.arguments.kinds import conversion_of
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.chosen_metrics import ChosenMetrics
from segsr_arch.evaluation.dataset_items import check_dataset, dataset_items, has_ground_truth
from segsr_arch.evaluation.image_folders import ImageFolder, match_folders
from segsr_arch.evaluation.measurement import measure_samples
from segsr_arch.evaluation.methods import Method, computed_samples, written_samples
from segsr_arch.evaluation.output_folder import whole_folder
from segsr_arch.evaluation.trained_network import TrainedNetwork, check_test
from segsr_arch.files.locking import locked
from segsr_arch.files.names import folder_name_problem, folder_of
from segsr_arch.images.conversion import Conversion
from segsr_arch.images.reading import read_header
from segsr_arch.inference.cost import measure_cost
from segsr_arch.metrics.catalogue import find_metric
from segsr_arch.metrics.metric import Metric
from segsr_arch.metrics.protocols import DEFAULT_PROTOCOL
from segsr_arch.results.provenance import describe_run
from segsr_arch.results.reading import read_record
from segsr_arch.results.record import EvaluationRecord
from segsr_arch.results.writing import write_record

_SHOWN_PROBLEMS = 20


def _semantics(args: argparse.Namespace, options: dict | None = None) -> dict | None:
    """Options of the vision-language model: those of the network, changed by the command line."""
    changed = {"vlm": args.vlm, "pretrained": args.vlm_pretrained}
    return {**(options or {}), **{key: value for key, value in changed.items() if value is not None}} or None


def _finished(folder: Path) -> EvaluationRecord:
    """Read an evaluation from its final place, and print what is missing in it."""
    record = read_record(folder)
    for line in record.problems[:_SHOWN_PROBLEMS]:
        print(f"problem: {line}", file=sys.stderr)
    if len(record.problems) > _SHOWN_PROBLEMS:
        print(f"problem: ... and {len(record.problems) - _SHOWN_PROBLEMS} more", file=sys.stderr)
    return record


def evaluation_folder(out: Path, method: str, dataset: str) -> Path:
    """Where the evaluation of a method on a data set is written."""
    return out / folder_of(method) / "evaluation" / folder_of(dataset)


def _hold(out: Path, methods: Iterable[str], held: contextlib.ExitStack) -> None:
    """Lock the folders of methods: their evaluations lie in it, and ``basicsr test`` renames it."""
    for method in sorted(methods):
        held.enter_context(locked(out / folder_of(method)))


def evaluate_options(args: argparse.Namespace, held: contextlib.ExitStack) -> list[EvaluationRecord]:
    """Evaluate the networks of ``-opt`` on the data sets of their option files.

    Args:
        args: Arguments of ``segsr evaluate``.
        held: What is written is locked until this is closed.

    Returns:
        One record a network and data set; they are written, and their problems printed.
    """
    tests = [check_test(path, device=args.device, overrides=args.force_yml) for path in args.opt]
    names = [test.opt["name"] for test in tests]
    if len(set(names)) < len(names):
        raise ConfigError(f"-opt: two option files have the same name: ({', '.join(sorted(names))}); rename one.")
    metrics = [[find_metric(name, test.opt["val"].get("metrics")) for name in args.metric] for test in tests]
    _hold(args.out, names, held)
    networks = [test.load() for test in tests]
    return [
        record
        for network, chosen in zip(networks, metrics, strict=True)
        for record in _evaluate_network(args, network, chosen)
    ]


def _evaluate_network(
    args: argparse.Namespace, network: TrainedNetwork, metrics: Sequence[Metric]
) -> list[EvaluationRecord]:
    method = Method(
        name=network.name,
        super_resolve=network.super_resolve,
        guidance=network.guidance if network.has_maps else None,
        cells_per_pixel=network.cells_per_pixel,
    )
    cost = None if args.no_cost else measure_cost(network.network)
    records = []
    for dataset_name, dataset in network.datasets():
        check_dataset(dataset)
        chosen = ChosenMetrics(
            metrics=metrics,
            protocols=args.protocol or [DEFAULT_PROTOCOL],
            scale=network.scale,
            device=network.device,
            vlm=_semantics(args, network.opt["network_g"].get("semantics")),
            clip_iqa_model=args.clip_iqa_model,
            with_gt=has_ground_truth(dataset),
        )
        folder = evaluation_folder(args.out, network.name, dataset_name)
        with whole_folder(folder) as partial:
            samples = computed_samples(
                method,
                dataset_items(dataset),
                scale=network.scale,
                folder=partial,
                save_images=not args.no_images,
            )
            where = f"{network.name} on {dataset_name}"
            measured = measure_samples(samples, total=len(dataset), metrics=chosen, description=where)
            record = EvaluationRecord(
                method=network.name,
                dataset=dataset_name,
                scale=network.scale,
                columns=tuple(chosen.columns),
                images=measured.images,
                set_values=measured.set_values,
                problems=measured.problems,
                cost=cost,
                options=network.text,
                provenance=describe_run(
                    images=measured.images,
                    seed=network.opt.get("manual_seed"),
                    checkpoint=network.checkpoint,
                    vlm=network.vlm,
                ),
            )
            write_record(partial, record)
        records.append(_finished(folder))
    return records


def evaluate_folders(args: argparse.Namespace, held: contextlib.ExitStack) -> list[EvaluationRecord]:
    """Evaluate the images of ``--sr``.

    Args:
        args: Arguments of ``segsr evaluate``.
        held: What is written is locked until this is closed.

    Returns:
        One record a method; they are written, and their problems printed.
    """
    conversion = conversion_of(args)
    gt = ImageFolder.open(args.gt, "--gt", conversion) if args.gt else None
    lq = ImageFolder.open(args.lq, "--lq", conversion) if args.lq else None
    folders = dict(_named_folders(args.sr, conversion))
    matchings = {name: match_folders(folder, gt, lq) for name, folder in folders.items()}
    scale = args.scale or _scale(matchings)
    protocols = args.protocol
    if protocols is None:
        protocols = [DEFAULT_PROTOCOL] if scale is not None else ["rgb", "y-full"]
        if scale is None:
            print("The scale is not known (give --scale or --lq), so y-crop and rgb-crop are left out: rgb, y-full.")
    chosen = ChosenMetrics(
        metrics=args.metric,
        protocols=protocols,
        scale=scale,
        device=_device(args.device),
        vlm=_semantics(args),
        clip_iqa_model=args.clip_iqa_model,
        with_gt=gt is not None,
        with_lq=lq is not None,
    )
    dataset = _dataset_name(args)
    _hold(args.out, folders, held)
    records = []
    for name, matching in matchings.items():
        for note in matching.notes:
            print(note)
        measured = measure_samples(
            written_samples(matching, scale=scale),
            total=len(matching.matches),
            metrics=chosen,
            description=f"{name} on {dataset}",
        )
        record = EvaluationRecord(
            method=name,
            dataset=dataset,
            scale=scale,
            columns=tuple(chosen.columns),
            images=measured.images,
            set_values=measured.set_values,
            problems=(*matching.problems, *measured.problems),
            provenance=describe_run(images=measured.images, seed=None),
        )
        folder = evaluation_folder(args.out, name, dataset)
        with whole_folder(folder) as partial:
            write_record(partial, record)
        records.append(_finished(folder))
    return records


def _named_folders(given: Sequence[str], conversion: Conversion) -> list[tuple[str, ImageFolder]]:
    named = []
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
    folder = Path(args.gt or args.lq or "images").resolve()
    return folder.name.removesuffix(".lmdb")


def _device(name: str | None) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch sees no GPU here; use --device cpu.")
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def _scale(matchings: dict) -> int | None:
    """Scale of the first pair of SR and LR image that can be read and has one; the others are checked later.

    Raises:
        ConfigError: If no pair has a whole scale.
    """
    pairs = [(match.sr, match.lq) for matching in matchings.values() for match in matching.matches if match.lq]
    for sr_place, lq_place in pairs:
        try:
            sr, lq = (read_header(place.read_bytes()) for place in (sr_place, lq_place))
        except DataError:
            continue  # it gets its line when it is measured
        scale, rest = divmod(sr.height, lq.height)
        if scale and not rest and sr.width == scale * lq.width:
            return scale
    if not pairs:
        return None
    raise ConfigError(
        f"--lq: no LR image is smaller than its SR image by a whole scale ({pairs[0][1]} and {pairs[0][0]}, for "
        f"instance); give --scale, and LR images of the same data."
    )
