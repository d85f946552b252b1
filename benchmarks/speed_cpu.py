"""The rows of the speed benchmark on the CPU: one image, a batch of tiles, a scene, the memory of a step, loading."""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from speed_measures import alternate, quartile_spread, seconds_of, step_memory
from speed_networks import build, make_inference, make_training_step
from training_throughput import loading_rate, prepare

from segsr_arch.inference.super_resolution import super_resolve
from segsr_arch.inference.tile_options import TileOptions

_LOADED_IMAGES, _LOADED_SIDE, _LOADED_BATCHES = 24, 256, 50  # drawn HR images, their side in pixels, batches of four


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
        whole = seconds_of(lambda: super_resolve(network, scene, scale=4, tile=options)) / args.scene**2
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


def _loading(args: argparse.Namespace) -> dict:
    """Images a second that a SeG-SR step in bfloat16 consumes, against those that one process loads from LMDBs."""
    step = make_training_step(build("segsr", args.size), args.image, precision="bf16")
    step()
    consumed = 1 / statistics.median(seconds_of(step) for _ in range(args.rounds))
    with tempfile.TemporaryDirectory() as folder:
        data = prepare(Path(folder).resolve(), _LOADED_IMAGES, _LOADED_SIDE, args.image)
        rates, _ = loading_rate(data, workers=0, patch=args.image, batches=_LOADED_BATCHES)
    ratios = [consumed / rate for rate in rates]
    return {
        "peer": statistics.median(rates),
        "ours": consumed,
        "ratio": statistics.median(ratios),
        "spread": quartile_spread(ratios),
        "unit": "img/s",
    }


# Key: title, greatest ratio that is allowed, and what measures it.
CPU_ROWS: dict[str, tuple[str, float | None, Callable[[argparse.Namespace], dict]]] = {
    "hat-inference": ("HAT, float32 inference", 0.55, _inference("hat", "fp32")),
    "segsr-inference": ("SeG-SR, float32 inference", 0.75, _inference("segsr", "fp32")),
    "segsr-inference-bf16": ("SeG-SR, bfloat16 inference", 0.25, _inference("segsr", "bf16")),
    "hat-training": ("HAT, float32 training step", 0.60, _training("hat", "fp32")),
    "segsr-training-bf16": ("SeG-SR, bfloat16 training step", 0.45, _training("segsr", "bf16")),
    "memory": ("SeG-SR, peak memory of that step", 0.50, _memory),
    "batch": ("SeG-SR bfloat16, 4 tiles as a batch against 4 single ones", 1.00, _batch),
    "loading": ("SeG-SR bfloat16 step, images against those loaded (LMDB)", 0.20, _loading),
    "scene": ("SeG-SR bfloat16, a scene in tiles against one tile", 1.10, _scene),
}
