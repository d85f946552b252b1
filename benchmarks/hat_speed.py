"""Time this project's HAT against spandrel's, alternating in one process, with the same weights.

    python benchmarks/hat_speed.py                         full size x4, 64 x 64, float32, two threads
    python benchmarks/hat_speed.py --precision bf16-amp --runs 7 --json hat.json

A time depends on the machine and on what else runs there; the ratio of medians is what counts. The ratio of processor
times is printed too, because it suffers less from other programs.
"""

import argparse
import contextlib
import json
import statistics
import time
import warnings
from pathlib import Path

import torch
from spandrel.architectures.HAT import HAT as PeerHAT

from segsr_arch.archs.hat.network import HATNetwork

SIZES = {
    "full": {"embed_dim": 180, "depths": (6,) * 6, "num_heads": (6,) * 6},
    "group": {"embed_dim": 180, "depths": (6,), "num_heads": (6,)},
}


def build(scale, size):
    """Build both networks with the same weights; returns ours and the peer."""
    options = {"upscale": scale, "window_size": 16, "mlp_ratio": 2, **SIZES[size]}
    ours = HATNetwork(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = PeerHAT(**options)
    peer.load_state_dict(ours.state_dict(), strict=True)
    return ours, peer


def make_steps(network, lq, gt, precision):
    """Return the functions to be timed: a forward pass without gradients, and one training step's two passes."""

    def context():
        amp = precision == "bf16-amp"
        return torch.autocast(lq.device.type, dtype=torch.bfloat16) if amp else contextlib.nullcontext()

    def forward():
        network.eval()
        with torch.no_grad(), context():
            network(lq)

    def train():
        network.train()
        with context():
            loss = torch.nn.functional.l1_loss(network(lq), gt)
        loss.backward()
        network.zero_grad(set_to_none=True)

    return {"forward": forward, "forward + backward": train}


def measure(step, device):
    """Run once; returns wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - processor


def compare(ours, peer, runs, device):
    """Alternate two functions; returns medians and ratios."""
    times = {"ours": [], "peer": []}
    for run in range(runs + 1):
        for name, step in (("peer", peer), ("ours", ours)):
            sample = measure(step, device)
            if run:  # the first round warms up
                times[name].append(sample)
    result = {}
    for place, kind in enumerate(("wall", "processor")):
        medians = {name: statistics.median(sample[place] for sample in samples) for name, samples in times.items()}
        result[kind] = {**medians, "ratio": medians["ours"] / medians["peer"]}
    result["samples"] = times
    return result


def main():
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--size", choices=SIZES, default="full", help="full: six groups; group: one of them, quicker")
    parser.add_argument("--image", type=int, default=64, help="side of the LR image in pixels (default: 64)")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each, after one to warm up (default: 5)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("float32", "bf16-amp"), default="float32")
    parser.add_argument("--skip-training", action="store_true", help="time the forward pass only")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    if arguments.runs < 5:
        parser.error("--runs: a median needs at least 5")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    networks = [network.to(arguments.device) for network in build(arguments.scale, arguments.size)]
    lq = torch.rand(arguments.batch, 3, arguments.image, arguments.image, device=arguments.device)
    gt = torch.rand(*lq.shape[:2], *(side * arguments.scale for side in lq.shape[2:]), device=arguments.device)
    ours, peer = (make_steps(network, lq, gt, arguments.precision) for network in networks)
    results = {}
    for name in ours:
        if name == "forward" or not arguments.skip_training:
            results[name] = compare(ours[name], peer[name], arguments.runs, arguments.device)
            for kind in ("wall", "processor"):
                figures = results[name][kind]
                print(
                    f"{name:18} {kind:9} spandrel {figures['peer']:7.3f} s   ours {figures['ours']:7.3f} s   "
                    f"ratio {figures['ratio']:.3f}",
                    flush=True,
                )
    if arguments.json:
        settings = {key: value for key, value in vars(arguments).items() if key != "json"}
        settings["torch"] = torch.__version__
        arguments.json.write_text(json.dumps({"settings": settings, "results": results}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
