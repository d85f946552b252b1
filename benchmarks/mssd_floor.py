"""What of the noise loss of a tiny MSSD can be predicted: the best linear prediction from LR image and noised latents.

    cd benchmarks
    python mssd_floor.py ../options/tiny_train_MSSD_UCM_x4.yml [--clean]

The loss that is left is that of what no linear predictor of this neighbourhood can know, in units of the variance of
what is to be predicted. A network may go below, being none; one that stays above has not learned what is there.
"""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from segsr_arch.archs.bicubic_arch import Bicubic
from segsr_arch.config import read_options
from segsr_arch.data.blind_paired_dataset import BlindPairedDataset
from segsr_arch.diffusion.parts.autoencoders import PixelAutoencoder
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule

LR_WINDOW = 5  # pixels of the LR image around the place that is predicted
LATENT_WINDOW = 12  # HR pixels of noised latents around it
TIMES = (0.05, 0.25, 0.45, 0.65, 0.85, 0.99)  # of all time steps
RIDGE = 30.0  # on the diagonal of the normal equations, against chance


def patches_of(options: dict[str, Any], *, count: int, clean: bool, seed: int) -> tuple[Tensor, Tensor]:
    """Draw LR and HR patches as the training does, with its degradations or only reduced."""
    random.seed(seed)
    data = {**options["datasets"]["train"], "scale": options["scale"], "phase": "train"}
    if clean:
        data["degradation"] = [{"type": "reduce", "how": "bicubic"}]
    dataset = BlindPairedDataset(data)
    items = [dataset[int(index)] for index in np.random.default_rng(seed).permutation(len(dataset))[:count]]
    return torch.stack([item["lq"] for item in items]), torch.stack([item["gt"] for item in items])


def middle_windows(values: Tensor, window: int, stride: int) -> Tensor:
    """Windows around the 4 x 4 middle places of a grid of a stride: (N, C, H, W) -> (16 N, C * window^2)."""
    half, reach = values.shape[-1] // 2, 2 * stride + (window - stride) // 2
    cut = values[..., half - reach : half + reach, half - reach : half + reach]
    return F.unfold(cut, window, stride=stride).transpose(1, 2).flatten(0, 1)


def left_over(known: Tensor, wanted: Tensor) -> float:
    """Mean square of what a linear predictor leaves, on the last quarter, fitted on the first three."""
    fitted = len(known) * 3 // 4
    known = torch.cat([known, torch.ones(len(known), 1)], dim=1)
    normal = known[:fitted].T @ known[:fitted] + RIDGE * torch.eye(known.shape[1])
    weights = torch.linalg.solve(normal, known[:fitted].T @ wanted[:fitted])
    return float((known[fitted:] @ weights - wanted[fitted:]).square().mean())


def floors(lq: Tensor, gt: Tensor, *, scale: int, schedule: NoiseSchedule) -> tuple[float, list[tuple[float, ...]]]:
    """Predict v of blocks of the size of an LR pixel.

    Returns:
        The standard deviation of what is diffused; and by time step its share of all, the mean square of v, and what
        is left of it knowing the LR image, and the noised latents as well.
    """
    autoencoder = PixelAutoencoder(factor=1)
    beyond = autoencoder.encode(gt) - autoencoder.encode(Bicubic(upscale=scale)(lq))
    std = float(beyond.std())
    clean = beyond / std
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    image = middle_windows(lq - lq.mean((2, 3), keepdim=True), LR_WINDOW, 1)
    rows = []
    for share in TIMES:
        t = int(share * schedule.steps)
        wanted = middle_windows(schedule.target(clean, noise, t), scale, scale)
        noised = middle_windows(schedule.noised(clean, noise, t), LATENT_WINDOW, scale)
        both = torch.cat([image, noised], dim=1)
        rows.append((share, float(wanted.square().mean()), left_over(image, wanted), left_over(both, wanted)))
    return std, rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for each time step, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("options", type=Path, help="option file of a training")
    parser.add_argument("--clean", action="store_true", help="LR images that are only reduced, as bicubic does")
    parser.add_argument("--patches", type=int, default=2000, help="how many (default 2000)")
    given = parser.parse_args(arguments)
    options = read_options(given.options)
    lq, gt = patches_of(options, count=given.patches, clean=given.clean, seed=0)
    schedule = NoiseSchedule.of(options["network_g"]["stable_diffusion"]["schedule"])
    std, rows = floors(lq, gt, scale=options["scale"], schedule=schedule)
    print(f"{len(lq)} patches, standard deviation of what is diffused {std:.3f}")
    for share, whole, image, both in rows:
        print(f"  step {share:.2f} of all: v {whole:.3f}; left knowing LR {image:.3f}, and noised latents {both:.3f}")
    print("  mean: " + ", ".join(f"{value:.3f}" for value in np.mean(rows, axis=0)[1:]))


if __name__ == "__main__":
    main()
