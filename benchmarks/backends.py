"""Time the backends of ``segsr upscale --backend`` on one machine: torch, onnxruntime, OpenVINO, and torch in bfloat16.

    python benchmarks/backends.py
    python benchmarks/backends.py --networks edsr-small --threads 1 --tile 96 --batch 4

In each round all run once untimed and once timed, one after the other. A ratio is the median of the rounds' ratios to
torch in float32, its spread half the distance of their quartiles: of the time on the clock, and of the processor's
time, which counts beside other programs if one thread is used. Differences are the largest from torch's output on
random tiles in [0, 1]. All networks have random weights.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
import yaml
from speed_measures import quartile_spread
from torch import Tensor, nn

import segsr_arch  # noqa: F401  (repairs and registers)
from segsr_arch.errors import SegsrError
from segsr_arch.export.program import export_program
from segsr_arch.inference.cost import seconds_of
from segsr_arch.results.provenance import processor_name
from segsr_arch.running.logs import errors_only
from segsr_arch.scenes.network.programs import installed_backends, onnx_runner
from segsr_arch.zoo.named_networks import build_base

_OPTIONS = Path(__file__).resolve().parents[1] / "options"
_EDSR = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "upscale": 4}
NETWORKS = {
    "edsr-tiny": {**_EDSR, "num_feat": 8, "num_block": 1},
    "edsr-small": {**_EDSR, "num_feat": 64, "num_block": 16},
    "edsr-full": {**_EDSR, "num_feat": 256, "num_block": 32, "res_scale": 0.1},
    "segsr-demo": "demo_test_SeGSR_x4.yml",
    "segsr-small": "test_small_SeGSR_UCM_x4.yml",
    "hat-small": "test_small_HAT_UCM_x4.yml",
}
BF16 = "torch, autocast to bfloat16"


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, measure, print; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usual = [name for name in NETWORKS if name != "edsr-tiny"]
    parser.add_argument("--networks", nargs="+", choices=tuple(NETWORKS), default=usual, metavar="NETWORK")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tile", type=int, default=64, help="side of an LR tile (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="tiles at once (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="default: %(default)s")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", *installed_backends()))
    tiles = f"{args.batch} x {args.tile} x {args.tile}"
    print(f"{processor_name()}, {args.threads} threads, {tiles} pixels, {args.rounds} rounds, {versions}")
    print("\n| network | run by | time | of torch's | processor | of torch's | differs by |")
    print("|---|---|---|---|---|---|---|")
    with errors_only("segsr_arch"):  # random weights are warned of
        for name in args.networks:
            _measure(name, args)
    return 0


def _measure(name: str, args: argparse.Namespace) -> None:
    torch.manual_seed(0)
    options = NETWORKS[name]
    if isinstance(options, str):
        options = yaml.safe_load((_OPTIONS / options).read_text(encoding="utf-8"))["network_g"]
    network = build_base(options).eval()
    lq = torch.rand(args.batch, 3, args.tile, args.tile)
    runs: dict[str, Callable[[Tensor], Tensor]] = {"torch": network, BF16: partial(_autocast, network)}
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = export_program(network, stem=Path(folder, name), kind="onnx", description={}).path
            runs |= {backend: onnx_runner(path, backend) for backend in installed_backends()}
    except SegsrError as error:
        print(f"| {name} | no program: {error} | | | | | |")
    clock: dict[str, list[float]] = {run: [] for run in runs}
    processor: dict[str, list[float]] = {run: [] for run in runs}
    with torch.no_grad():
        for _ in range(args.rounds):
            for run, work in runs.items():
                work(lq.clone())
                start = time.process_time()
                clock[run].append(seconds_of(partial(work, lq.clone()), lq.device))
                processor[run].append(time.process_time() - start)
        outputs = {run: work(lq.clone()) for run, work in runs.items()}
    for run in runs:
        difference = float((outputs[run] - outputs["torch"]).abs().max())
        columns = [_in_words(times[run], times["torch"]) for times in (clock, processor)]
        print(f"| {name} | {run} | {' | '.join(columns)} | {difference:.1e} |", flush=True)


def _in_words(times: Sequence[float], of_torch: Sequence[float]) -> str:
    ratios = [one / other for one, other in zip(times, of_torch, strict=True)]
    return f"{1000 * statistics.median(times):.0f} ms | {statistics.median(ratios):.2f} ± {quartile_spread(ratios):.2f}"


def _autocast(network: nn.Module, lq: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return network(lq).float()


if __name__ == "__main__":
    sys.exit(main())
