"""Time HAT and SeG-SR against spandrel's HAT, in one process, and compare the ratios with their targets.

    python benchmarks/speed.py                              all rows, full size x4, 64 x 64, two threads: ten minutes
    python benchmarks/speed.py --rows hat-inference segsr-inference-bf16 --json speed.json

In each round the peer and ours run alternately, each once untimed and once timed, so that neither begins with the other
one's memory. A ratio is the median of the rounds' ratios, its spread half the distance of their quartiles. The exit
code is 1 if a ratio is worse than its target by more than its spread. All networks have random weights.
"""

import argparse
import contextlib
import json
import logging
import platform
import statistics
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from speed_measures import alternate, copy_rate, matrix_rate, quartile_spread, seconds_of, step_memory
from speed_networks import build, make_inference, make_training_step
from tqdm import tqdm

from segsr_arch.models.tiling import TileOptions, super_resolve_tiled

_Row = tuple[str, float, Callable[[argparse.Namespace], dict]]


def _inference(ours: str, precision: str) -> Callable[[argparse.Namespace], dict]:
    def measure(args: argparse.Namespace) -> dict:
        lq = torch.rand(1, 3, args.image, args.image)
        return alternate(
            make_inference(build("peer", args.size), lq),
            make_inference(build(ours, args.size), lq, precision=precision),
            rounds=args.rounds,
        )

    return measure


def _training(ours: str, precision: str) -> Callable[[argparse.Namespace], dict]:
    def measure(args: argparse.Namespace) -> dict:
        return alternate(
            make_training_step(build("peer", args.size), args.image, precision="fp32"),
            make_training_step(build(ours, args.size), args.image, precision=precision),
            rounds=args.rounds,
        )

    return measure


def _memory(args: argparse.Namespace) -> dict:
    peer, ours = (
        step_memory(name, args.size, args.image, precision, args.threads)
        for name, precision in (("peer", "fp32"), ("segsr", "bf16"))
    )
    return {"peer": peer, "ours": ours, "ratio": ours / peer, "spread": 0.0, "unit": "GB"}


def _batch(args: argparse.Namespace) -> dict:
    network = build("segsr", args.size)
    tiles = torch.rand(4, 3, args.image, args.image)
    together = make_inference(network, tiles, precision="bf16")
    one = make_inference(network, tiles[:1], precision=None)

    def singles() -> None:
        for _ in range(4):
            one()

    return alternate(singles, together, rounds=args.rounds)


def _scene(args: argparse.Namespace) -> dict:
    """Seconds per LR megapixel of a scene in tiles against those of a tile alone."""
    network = build("segsr", args.size)
    tile = make_inference(network, torch.rand(1, 3, args.image, args.image), precision="bf16")
    scene, options = torch.rand(1, 3, args.scene, args.scene), TileOptions(size=args.image, overlap=0)
    tile()
    before = [seconds_of(tile) for _ in range(args.rounds)]
    with torch.no_grad():
        whole = seconds_of(lambda: super_resolve_tiled(network, scene, scale=4, options=options)) / args.scene**2
    after = [seconds_of(tile) for _ in range(args.rounds)]
    each = [seconds / args.image**2 for seconds in before + after]
    ratios = [whole / one for one in each]
    return {
        "peer": 1e6 * statistics.median(each),
        "ours": 1e6 * whole,
        "ratio": statistics.median(ratios),
        "spread": quartile_spread(ratios),
        "unit": "s/MP",
    }


ROWS: dict[str, _Row] = {
    "hat-inference": ("HAT, float32 inference", 0.55, _inference("hat", "fp32")),
    "segsr-inference": ("SeG-SR, float32 inference", 0.75, _inference("segsr", "fp32")),
    "segsr-inference-bf16": ("SeG-SR, bfloat16 inference", 0.25, _inference("segsr", "bf16")),
    "hat-training": ("HAT, float32 training step", 0.60, _training("hat", "fp32")),
    "segsr-training-bf16": ("SeG-SR, bfloat16 training step", 0.45, _training("segsr", "bf16")),
    "memory": ("SeG-SR, peak memory of that step", 0.50, _memory),
    "batch": ("SeG-SR bfloat16, 4 tiles as a batch against 4 single ones", 1.00, _batch),
    "scene": ("SeG-SR bfloat16, a scene in tiles against one tile", 1.10, _scene),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, measure, print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=tuple(ROWS), default=list(ROWS), help="default: all")
    parser.add_argument("--size", choices=("full", "tiny"), default="full", help="tiny: to try the command")
    parser.add_argument("--image", type=int, default=64, help="side of an LR image or tile (default: %(default)s)")
    parser.add_argument("--scene", type=int, default=1024, help="side of the LR scene (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    args = parser.parse_args(argv)
    if args.rounds < 5:
        parser.error("--rounds: a median needs at least 5")
    with _quiet(args.threads):
        return _run(args)


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
    limits = {
        "float32 matrix product, GFLOP/s": matrix_rate(torch.float32),
        "bfloat16 matrix product, GFLOP/s": matrix_rate(torch.bfloat16),
        "copy (read + write), GB/s": copy_rate(),
    }
    print(f"{platform.processor() or platform.machine()}, {args.threads} threads, torch {torch.__version__}")
    for name, value in limits.items():
        print(f"  {name}: {value:.0f}")
    print(f"\n{'row':58} {'peer':>10} {'ours':>10} {'ratio':>16} {'target':>7}")
    results, missed = {}, []
    for key in tqdm(args.rows, unit="row", leave=False, disable=None):
        title, target, measure = ROWS[key]
        torch.manual_seed(0)
        found = {"title": title, "target": target, **measure(args)}
        found["missed"] = found["ratio"] - found["spread"] > target
        results[key] = found
        missed += [key] if found["missed"] else []
        unit = found.get("unit", "s")
        tqdm.write(
            f"{title:58} {found['peer']:>6.2f} {unit:3} {found['ours']:>6.2f} {unit:3} "
            f"{found['ratio']:>8.3f} ± {found['spread']:.3f} {target:>7.2f}{'  MISSED' if found['missed'] else ''}"
        )
    if args.json:
        settings = {key: value for key, value in vars(args).items() if key != "json"}
        machine = {"processor": platform.processor(), "torch": torch.__version__, "limits": limits}
        args.json.write_text(json.dumps({"settings": settings, "machine": machine, "rows": results}, indent=1), "utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
