"""Time HAT and SeG-SR against spandrel's HAT, in one process, and compare the ratios with their targets.

    python benchmarks/speed.py                              all rows, full size x4, 64 x 64, two threads: ten minutes
    python benchmarks/speed.py --rows hat-inference segsr-inference-bf16 --json speed.json
    python benchmarks/speed.py --device cuda                the rows of a GPU: batches, eager, compiled, recorded, both

In each round the peer and ours run alternately, each once untimed and once timed, so that neither begins with the other
one's memory. A ratio is the median of the rounds' ratios of times, its spread half the distance of their quartiles. The
exit code is 1 if a ratio is worse than its target by more than its spread; a row without a target is only printed. All
networks have random weights.
"""

import argparse
import contextlib
import json
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from speed_cpu import CPU_ROWS
from speed_device import describe_device
from speed_gpu import BATCHES, GPU_ROWS, shares
from speed_measures import copy_rate, matrix_rate
from tqdm import tqdm

from segsr_arch.running.progress import progress

ROWS = {"cpu": CPU_ROWS, "cuda": GPU_ROWS}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, measure, print; returns the exit code."""
    args = _parse(argv)
    with _quiet(args.threads):
        return _run(args)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=tuple(ROWS), default="cpu", help="default: %(default)s")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help=f"default: all of the device. {_list_rows()}")
    parser.add_argument("--size", choices=("full", "tiny"), default="full", help="tiny: to try the command")
    parser.add_argument("--image", type=int, default=64, help="side of an LR image or tile (default: %(default)s)")
    parser.add_argument("--scene", type=int, default=1024, help="cpu: side of the LR scene (default: %(default)s)")
    usual = " and ".join(f"{number} for {task}" for task, number in BATCHES.items())
    parser.add_argument("--batch", type=int, help=f"cuda: LR images of a step or pass (default: {usual})")
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    args = parser.parse_args(argv)
    if args.rounds < 5:
        parser.error("--rounds: a median needs at least 5")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch sees no GPU here; use --device cpu")
    if args.batch is not None and args.device == "cpu":
        parser.error("--batch: the rows of --device cpu have batches of their own; use it with --device cuda")
    if args.batch is not None and args.batch < 1:
        parser.error(f"--batch: must be at least 1, got {args.batch}")
    args.rows = args.rows or list(ROWS[args.device])
    wrong = [key for key in args.rows if key not in ROWS[args.device]]
    if wrong:
        parser.error(f"--rows: {', '.join(wrong)}: no row of --device {args.device}. {_list_rows()}")
    return args


def _list_rows() -> str:
    return "; ".join(f"Rows of {device}: {', '.join(rows)}" for device, rows in ROWS.items())


@contextlib.contextmanager
def _quiet(threads: int) -> Iterator[None]:
    """Use so many threads, and say nothing of random weights, which the head of this file does."""
    before = torch.get_num_threads(), logging.root.manager.disable
    torch.set_num_threads(threads)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(before[0])
        logging.disable(before[1])


def _run(args: argparse.Namespace) -> int:
    matrix_rates = {
        precision: matrix_rate(dtype, args.device)
        for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    }
    machine = {
        **describe_device(args.device),
        "limits": {
            "float32 matrix product, GFLOP/s": matrix_rates["fp32"],
            "bfloat16 matrix product, GFLOP/s": matrix_rates["bf16"],
            "copy (read + write), GB/s": copy_rate(args.device),
        },
    }
    rows = {key: ROWS[args.device][key] for key in args.rows}
    width = max(len(title) for title, *_ in rows.values())
    _print_head(machine, args.threads, width, on_gpu=any(key in GPU_ROWS for key in rows))
    results = {}
    for key, (title, target, measure) in progress(rows.items(), unit="row", keep=False):
        torch.manual_seed(0)
        found = {"title": title, "target": target, **measure(args)}
        if "flops" in found:
            found["share"] = shares(found, matrix_rates)
        found["missed"] = target is not None and found["ratio"] - found["spread"] > target
        results[key] = found
        tqdm.write(_line(found, width))
    if args.json:
        settings = {key: value for key, value in vars(args).items() if key != "json"}
        args.json.write_text(json.dumps({"settings": settings, "machine": machine, "rows": results}, indent=1), "utf-8")
    return 1 if any(found["missed"] for found in results.values()) else 0


def _print_head(machine: Mapping, threads: int, width: int, *, on_gpu: bool) -> None:
    print(f"{machine['name']}, {machine['memory, GB']:.0f} GB, {threads} threads, torch {machine['torch']}")
    if machine["tf32"]:
        print("  TF32: " + ", ".join(f"{what} {'yes' if used else 'no'}" for what, used in machine["tf32"].items()))
    for name, value in machine["limits"].items():
        print(f"  {name}: {value:.0f}")
    more = f"  {'matrix share':^15}  {'peak memory, GB':^15}" if on_gpu else ""
    print(f"\n{'row':{width}} {'peer':>14} {'ours':>14} {'ratio of times':>16} {'target':>7}{more}")


def _line(found: Mapping, width: int) -> str:
    figures, unit = found.get("rates", found), found.get("unit", "s")
    target = "-" if found["target"] is None else f"{found['target']:.2f}"
    parts = [
        f"{found['title']:{width}} {figures['peer']:>8.2f} {unit:5} {figures['ours']:>8.2f} {unit:5} "
        f"{found['ratio']:>8.3f} ± {found['spread']:.3f} {target:>7}"
    ]
    if "share" in found:
        parts.append("{peer:>7.2%} {ours:>7.2%}".format(**found["share"]))
        memory = ("-" if value is None else f"{value:.2f}" for value in found["memory, GB"].values())
        parts.append(" ".join(f"{value:>7}" for value in memory))
    return "  ".join([*parts, *(["MISSED"] if found["missed"] else [])])


if __name__ == "__main__":
    sys.exit(main())
