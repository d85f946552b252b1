"""Race compact networks: which one is best after the same minutes of training on this machine's processor?

    python benchmarks/compact_race.py datasets/UCMerced [--networks EDSR_32x8 SRVGG_64x16] [--minutes 8] [--seed 0]

A network that comes with the package has to be fast where there is no GPU, and to be trained there. Each gets the same
data (random patches, flipped and turned), Adam, L1, a learning rate that falls as a cosine over the processor time it
has, and weights that are averaged as in the stock training. Printed are, as Markdown, PSNR on the validation images
(protocol y-crop) after each quarter of the time, the iterations that fitted into it, parameters, and seconds an LR
megapixel takes.
"""

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from segsr_arch.models.ema import MovingAverage, decay_at
from segsr_arch.results.tables import Cell, Table, to_markdown
from segsr_arch.zoo.named_networks import build_base

# after segsr_arch, which repairs them
from basicsr.metrics import calculate_psnr  # isort: skip
from basicsr.utils.img_util import tensor2img  # isort: skip

_RGB = {"num_in_ch": 3, "num_out_ch": 3}
_MEAN = {"rgb_mean": [0.5, 0.5, 0.5]}
NETWORKS = {
    "EDSR_32x8": {"type": "EDSR", **_RGB, "num_feat": 32, "num_block": 8, **_MEAN},
    "EDSR_32x16": {"type": "EDSR", **_RGB, "num_feat": 32, "num_block": 16, **_MEAN},
    "EDSR_48x8": {"type": "EDSR", **_RGB, "num_feat": 48, "num_block": 8, **_MEAN},
    "EDSR_64x16": {"type": "EDSR", **_RGB, "num_feat": 64, "num_block": 16, **_MEAN},
    "MSRResNet_32x8": {"type": "MSRResNet", **_RGB, "num_feat": 32, "num_block": 8},
    "MSRResNet_64x16": {"type": "MSRResNet", **_RGB, "num_feat": 64, "num_block": 16},
    "SRVGG_64x16": {"type": "SRVGGNetCompact", **_RGB, "num_feat": 64, "num_conv": 16},
    "RCAN_48": {"type": "RCAN", **_RGB, "num_feat": 48, "num_group": 3, "num_block": 4, **_MEAN},
    "SPAN_48": {"type": "spandrel/SPAN", **_RGB, "feature_channels": 48, "norm": False},
    "SAFMN_64x8": {"type": "spandrel/SAFMN", "dim": 64, "n_blocks": 8},
    "PLKSR_64x12": {"type": "spandrel/PLKSR", "dim": 64, "n_blocks": 12},
}
_PATCH, _BATCH, _RATE, _DECAY = 32, 8, 1e-3, 0.999
_QUARTERS = 4


def read_pairs(folder: Path, scale: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read LR and HR images (H, W, 3) uint8 RGB."""
    files = sorted((folder / f"HR_x{scale}").glob("*.png"))
    found = [
        [cv2.imread(str(folder / kind / file.name)) for kind in (f"LR_x{scale}", f"HR_x{scale}")] for file in files
    ]
    return [(np.ascontiguousarray(lr[..., ::-1]), np.ascontiguousarray(hr[..., ::-1])) for lr, hr in found]


def draw_batch(
    pairs: list[tuple[np.ndarray, np.ndarray]], scale: int, random: np.random.Generator
) -> list[torch.Tensor]:
    """Cut patches: LR (B, 3, P, P) and HR (B, 3, sP, sP), in [0, 1]."""
    drawn: list[tuple[np.ndarray, np.ndarray]] = []
    for number in random.integers(len(pairs), size=_BATCH):
        lr, hr = pairs[number]
        top, left = (int(random.integers(side - _PATCH + 1)) for side in lr.shape[:2])
        cut = lr[top : top + _PATCH, left : left + _PATCH]
        truth = hr[top * scale : (top + _PATCH) * scale, left * scale : (left + _PATCH) * scale]
        turns, flipped = int(random.integers(4)), bool(random.integers(2))
        drawn.append(tuple(np.rot90(each[:, ::-1] if flipped else each, turns) for each in (cut, truth)))
    return [
        torch.from_numpy(np.stack(side).transpose(0, 3, 1, 2).astype(np.float32) / 255)
        for side in zip(*drawn, strict=True)
    ]


def train(network: nn.Module, pairs: list, *, scale: int, minutes: float, seed: int) -> Iterator[tuple[nn.Module, int]]:
    """Train for so much processor time; gives the average of the weights, and the iterations, after each quarter."""
    random, average = np.random.default_rng(seed), MovingAverage(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE, betas=(0.9, 0.99))
    seconds, iteration, quarters = 0.0, 0, 0
    while quarters < _QUARTERS:
        start, iteration = time.process_time(), iteration + 1
        share = min(seconds / (60 * minutes), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1.0, iteration / 50) * (0.5 + 0.5 * math.cos(math.pi * share))
        lq, gt = draw_batch(pairs, scale, random)
        loss = nn.functional.l1_loss(network(lq), gt)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update(decay_at(iteration, _DECAY, warmup=True))
        seconds += time.process_time() - start
        if seconds >= 60 * minutes * (quarters + 1) / _QUARTERS:
            quarters += 1
            yield average.network, iteration


@torch.no_grad()
def measure(network: nn.Module, pairs: list, scale: int) -> tuple[float, float]:
    """Mean PSNR (y-crop) of the pairs, and processor seconds an LR megapixel takes."""
    values, pixels, seconds = [], 0, 0.0
    for lr, hr in pairs:
        lq = torch.from_numpy(lr.transpose(2, 0, 1)[None].astype(np.float32) / 255)
        start = time.process_time()
        output = network(lq)
        seconds += time.process_time() - start
        pixels += lr.shape[0] * lr.shape[1]
        values.append(calculate_psnr(tensor2img(output), hr[..., ::-1], crop_border=scale, test_y_channel=True))
    return float(np.mean(values)), seconds / pixels * 1e6


def main() -> None:
    """Run the race and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that segsr prepare has written")
    parser.add_argument("--networks", nargs="+", choices=tuple(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--minutes", type=float, default=8.0, help="of processor time for each (default: 8)")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    pairs, val = (read_pairs(given.data / part, given.scale) for part in ("train", "val"))
    rows = []
    for name in given.networks:
        torch.manual_seed(given.seed)
        scale_name = "upscaling_factor" if "dim" in NETWORKS[name] else "upscale"
        network = build_base({**NETWORKS[name], scale_name: given.scale})
        curve: list[str] = []
        for trained, iterations in train(network, pairs, scale=given.scale, minutes=given.minutes, seed=given.seed):
            psnr, seconds = measure(trained, val, given.scale)
            curve.append(f"{psnr:.3f}")
            print(name, iterations, curve[-1], f"{seconds:.1f}", flush=True)
        millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        rows.append((name, *curve, f"{iterations}", f"{millions:.2f} M", f"{seconds:.1f}"))
    times = [f"{given.minutes * (quarter + 1) / _QUARTERS:g} min, dB" for quarter in range(_QUARTERS)]
    headers = ("network", *times, "iterations", "parameters", "s an LR megapixel")
    table = Table(headers=headers, rows=tuple(tuple(Cell(value=text) for text in row) for row in rows))
    print(to_markdown(table))


if __name__ == "__main__":
    main()
