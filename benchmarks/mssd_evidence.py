"""What the parts of a tiny MSSD do, measured on validation images of UC Merced: loss, contrast, captions, samples.

    cd benchmarks
    basicsr train -opt ../options/tiny_train_MSSD_UCM_x4.yml --force_yml name=with0
    python mssd_evidence.py experiments/with0 [experiments/without0 ...] [--iteration 1000]

A run without the contrastive term is one with ``network_g:contrast=~``; one whose contrastive loss may see the HR image
imports ``mssd_shared.py``. Each row says what it was measured on.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.config import read_options
from segsr_arch.data.blind_paired_dataset import BlindPairedDataset
from segsr_arch.diffusion.correction import corrected
from segsr_arch.diffusion.learning.contrast_features import ContrastFeatures
from segsr_arch.models.draws import Draws
from segsr_arch.weights.network_weights import put_weights, read_weights

DRAWS = 8  # of time step and noise for each image, when captions are compared
MIDDLE = 0.5  # the time step, of all, of latents that show the HR image and hide it
SIDE = 64  # of the crop of each image that is measured, in HR pixels: the middle
LOSS = re.compile(r"\b(l_\w+): (\S+)")


def falling(run: Path) -> dict[str, tuple[int, float, float]]:
    """Read the log: of each loss how often it was logged, its mean over the first and over the last tenth of these."""
    values: dict[str, list[float]] = {}
    for log in sorted(run.glob("train_*.log")):
        for line in log.read_text(encoding="utf-8").splitlines():
            for name, value in LOSS.findall(line) if "[epoch:" in line else ():
                values.setdefault(name, []).append(float(value))
    means = {}
    for name, logged in values.items():
        tenth = max(1, len(logged) // 10)
        means[name] = (len(logged), float(np.mean(logged[:tenth])), float(np.mean(logged[-tenth:])))
    return means


def images_of(options: dict[str, Any], *, seed: int) -> dict[str, Any]:
    """Read the middle of every validation image, degraded as its name and a seed say."""
    data = {**options["datasets"]["val"], "scale": options["scale"], "phase": "val", "degradation_seed": seed}
    dataset = BlindPairedDataset({**data, "say_degradation": True, "caption_file": None})
    items = [dataset[index] for index in range(len(dataset))]
    cut, scale = SIDE // options["scale"], options["scale"]

    def middle(image: Tensor, side: int) -> Tensor:
        top, left = (
            (size // scale // 2 * scale if side == SIDE else size // 2) - side // 2 for size in image.shape[1:]
        )
        return image[:, top : top + side, left : left + side]

    lq = torch.stack([middle(item["lq"], cut) for item in items])
    gt = torch.stack([middle(item["gt"], SIDE) for item in items])
    noise = [float(item["noise_level"]) for item in items]
    return {"lq": lq, "gt": gt, "captions": [item["caption"] for item in items], "noise": noise}


def read_network(run: Path, iteration: str) -> MSSD:
    """Build the network of a run with the weights of an iteration, not their moving average."""
    # As it was trained, with what the command line changed in the option file.
    state = torch.load(next((run / "training_states").glob("*.state")), weights_only=True)
    options = state["options"]["network_g"]
    network = MSSD(**{name: value for name, value in options.items() if name != "type"})
    file = run / "models" / f"net_g_{iteration}.pth"
    put_weights(network, read_weights(file, "params")[0], file, strict=True)
    return network.eval()


@torch.no_grad()
def features_of(network: MSSD, images: Tensor, *, seed: int, latents: Tensor | None = None) -> Tensor:
    """Features of the trained encoder, centred, of length 1: (N, C).

    Args:
        network: Whose.
        images: (N, 3, H, W) at HR size, RGB in [0, 1].
        seed: Of the noise in place of latents, at the last step: what the contrastive loss reads.
        latents: Noised ones (N, c, h, w) of the middle step to read instead.
    """
    read = ContrastFeatures(network.unet.stem, network.unet.control)
    autoencoder, steps, pooled = network.autoencoder, network.schedule.steps, []
    for index, image in enumerate(images.split(1)):
        sides = (image.shape[-2] // autoencoder.factor, image.shape[-1] // autoencoder.factor)
        if latents is None:
            entering = Draws(seed=seed, keys=(index,))("contrast", (1, autoencoder.channels, *sides))
            t = steps - 1
        else:
            entering, t = latents[index : index + 1], int(MIDDLE * steps)
        silence = network.unet.parts.text([""]).tokens
        pooled.append(read(image, entering, torch.full((1,), t), silence).mean((-2, -1)))
    together = torch.cat(pooled)
    return F.normalize(together - together.mean(0), dim=-1)


@torch.no_grad()
def noised_latents(network: MSSD, images: dict[str, Any], *, seed: int) -> Tensor:
    """What is diffused of each HR image, noised to the middle step."""
    clean = network._diffused(network.latent_tile).of(images["gt"], network.enlarge(images["lq"]))
    noise = Draws(seed=seed, keys=())("noise", tuple(clean.shape))
    return network.schedule.noised(clean, noise, int(MIDDLE * network.schedule.steps))


def leak(network: MSSD, images: dict[str, Any]) -> tuple[float, float, float]:
    """How far features follow noised HR latents instead of the image, if these enter in place of noise.

    Returns:
        LR to HR accuracy at 1 with the HR image's own latents beside both; with those of another image beside the LR
        image, how often that image is found, and how often the one of the latents.
    """
    places = torch.arange(len(images["gt"]))
    moved = places.roll(1)
    enlarged, latents = network.enlarge(images["lq"]), noised_latents(network, images, seed=4)
    keys = features_of(network, images["gt"], seed=0, latents=latents)
    own, other = (
        (features_of(network, enlarged, seed=0, latents=entering) @ keys.T).argmax(1)
        for entering in (latents, latents[moved])
    )
    found = ((own, places), (other, places), (other, moved))
    first, second, third = (float((found_ == wanted).float().mean()) for found_, wanted in found)
    return first, second, third


def contrast_rows(network: MSSD, one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """LR to HR retrieval at 1, by degradation, and the distance of degradations over that of images."""
    lq, again = (
        features_of(network, network.enlarge(each["lq"]), seed=1 + place) for place, each in enumerate((one, other))
    )
    gt = features_of(network, one["gt"], seed=3)
    right = [float(((each @ gt.T).argmax(1) == torch.arange(len(gt))).float().mean()) for each in (lq, again)]
    same = float((lq - again).norm(dim=-1).mean())
    apart = float(torch.cdist(lq, again)[~torch.eye(len(lq), dtype=torch.bool)].mean())
    own, image, other_image = leak(network, one)
    return [
        f"LR -> HR accuracy at 1 of {len(gt)}: {right[0]:.3f} and {right[1]:.3f} (two degradations)",
        f"distance of two degradations of an image over that of two images: {same / apart:.3f}",
        f"the same noised HR latents beside LR and HR: {own:.3f}; those of another image beside the LR image: "
        f"{image:.3f} find the image, {other_image:.3f} the one of the latents",
    ]


@torch.no_grad()
def caption_row(network: MSSD, images: dict[str, Any]) -> str:
    """Noise loss with the true caption, another image's and none, the same noise and time steps for all."""
    captions: Sequence[str] = images["captions"]
    order = np.random.default_rng(0).permutation(len(captions))
    kinds = {"true": captions, "shuffled": [captions[place] for place in order], "none": [""] * len(captions)}
    losses: dict[str, list[float]] = {name: [] for name in kinds}
    for index in range(len(captions)):
        lq, gt = images["lq"][index : index + 1], images["gt"][index : index + 1]
        for name, texts in kinds.items():
            # Several time steps of an image at once.
            found = network.training_losses(
                lq.expand(DRAWS, -1, -1, -1),
                gt.expand(DRAWS, -1, -1, -1),
                captions=[texts[index]] * DRAWS,
                draw=Draws(seed=0, keys=(index,)),
            )
            losses[name].append(float(found["l_noise"]))
    true = np.array(losses["true"])
    words = [f"true {true.mean():.4f}"]
    for name in ("shuffled", "none"):
        gap = np.array(losses[name]) - true
        words.append(f"{name} {gap.mean():+.5f} (standard error {gap.std(ddof=1) / len(gap) ** 0.5:.5f})")
    return f"noise loss by caption, {len(true)} images of {DRAWS} draws: " + ", ".join(words)


def psnr(sr: Tensor, gt: Tensor) -> float:
    """Mean PSNR over images, RGB, a border of 4 cut, in dB."""
    error = (sr.clamp(0, 1) - gt)[..., 4:-4, 4:-4].square().mean((1, 2, 3))
    return float((-10 * error.log10()).mean())


def projected(sr: Tensor, images: dict[str, Any], *, scale: int) -> Tensor:
    """Correct samples by their LR images, each weighed by its noise."""
    parts = zip(sr.split(1), images["lq"].split(1), images["noise"], strict=True)
    return torch.cat([corrected(one, lq, kind="consistent", scale=scale, noise=noise) for one, lq, noise in parts])


@torch.no_grad()
def sample_rows(network: MSSD, images: dict[str, Any], *, every: int = 3, seeds: int = 8, steps: int = 5) -> list[str]:
    """PSNR of the base, of one step, of a sample and of the mean of several samples, of every so manieth image.

    One row as they are sampled, one after the projection onto the LR image.
    """
    few = {name: values[::every] for name, values in images.items()}
    lq, gt, captions = few["lq"], few["gt"], few["captions"]
    many = [network(lq, captions, seed=seed, sampler=replace(network.sampler, steps=steps)) for seed in range(seeds)]
    made = {
        "base": network.enlarge(lq),
        "one step": network(lq, captions, seed=0, sampler=replace(network.sampler, steps=1)),
        f"{steps} steps": many[0],
        f"mean of {seeds} samples": torch.stack(many).mean(0),
    }
    straight = {name: psnr(sr, gt) for name, sr in made.items()}
    consistent = {name: psnr(projected(sr, few, scale=network.upscale), gt) for name, sr in made.items()}
    return [
        f"PSNR, {len(gt)} images{how}: " + ", ".join(f"{name} {value:.2f} dB" for name, value in figures.items())
        for how, figures in (("", straight), (", projected onto the LR image", consistent))
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the rows of each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of trainings (experiments/NAME)")
    parser.add_argument("--iteration", default="latest", help="whose weights, of those that were saved")
    parser.add_argument("--hr", help="folder of the HR images to measure on, instead of the validation set's")
    given = parser.parse_args(arguments)
    for run in given.runs:
        options = read_options(next(run.glob("*.yml")))
        if given.hr is not None:
            options["datasets"]["val"] |= {"dataroot_gt": given.hr, "io_backend": {"type": "disk"}}
        network = read_network(run, given.iteration)
        print(f"{run.name}, weights {given.iteration}, crops of {SIDE} x {SIDE}")
        for name, (count, first, last) in falling(run).items():
            print(f"  {name}: {first:.4f} -> {last:.4f} ({last / first:.2f}), first and last tenth of {count} values")
        one, other = (images_of(options, seed=seed) for seed in (0, 1))
        for row in contrast_rows(network, one, other):
            print(f"  {row}", flush=True)
        network.contrast = None  # of no use to what follows
        print(f"  {caption_row(network, one)}", flush=True)
        for row in sample_rows(network, one):
            print(f"  {row}", flush=True)


if __name__ == "__main__":
    main()
