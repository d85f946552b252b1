"""Tiles of latents on a trained MSSD: how close to the whole they come, how rough overlaps are, how long it takes.

    cd benchmarks
    python mssd_tiles.py OPTIONS_OF_A_TEST.yml RASTER.tif --side 128 --tiles 64:16 64:32 32:16

The LR image is a square from the middle of the raster, whose pixels stand for LR pixels. It is sampled at once and in
tiles, from one noise, as the option file says. ``path: pretrain_network_g`` names the weights.
"""

import argparse
import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions
from segsr_arch.evaluation.trained_network import load_trained
from segsr_arch.images.reading import read_rgb
from segsr_arch.windows import window_starts


def decibels(sr: Tensor, whole: Tensor) -> float:
    """PSNR of images in [0, 1] to the one that was sampled at once."""
    return -10 * math.log10(float((sr - whole).square().mean()))


def overlap_roughness(sr: Tensor, whole: Tensor, options: LatentTileOptions, *, factor: int) -> float:
    """Energy of high frequencies (the Laplacian) where tiles overlap, over that of the image sampled at once there.

    Args:
        sr: Image (1, 3, H, W) sampled in tiles.
        whole: The same, sampled at once.
        options: The tiles.
        factor: Pixels of a latent's side.
    """
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).expand(3, 1, 3, 3)
    energy = [F.conv2d(image, kernel, padding=1, groups=3).square()[0].sum(0) for image in (sr, whole)]
    covered = []
    for side in whole.shape[-2:]:
        count = torch.zeros(side)
        for start in window_starts(side // factor, options.size, options.overlap):
            count[factor * start : factor * (start + options.size)] += 1
        covered.append(count > 1)
    inside = covered[0][:, None] | covered[1][None, :]
    return float(energy[0][inside].sum() / energy[1][inside].sum())


@torch.no_grad()
def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row of a table for each size and overlap."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("options", help="option file of a test of MSSD")
    parser.add_argument("raster", help="8-bit image that is larger than the square")
    parser.add_argument("--side", type=int, default=128, help="of the LR image (default 128)")
    parser.add_argument("--tiles", nargs="+", default=["64:16"], metavar="SIZE:OVERLAP", help="in latent pixels")
    given = parser.parse_args(arguments)
    network = load_trained(given.options).network
    with open(given.raster, "rb") as file:
        image = torch.from_numpy(read_rgb(file.read())[0].copy()).permute(2, 0, 1)[None].float() / 255
    top, left = ((length - given.side) // 2 for length in image.shape[-2:])
    lq = image[..., top : top + given.side, left : left + given.side]

    def run(options: LatentTileOptions) -> tuple[Tensor, float]:
        network.latent_tile = options
        start = time.perf_counter()
        sr = network(lq)
        return sr, time.perf_counter() - start

    whole, seconds = run(LatentTileOptions(size=10**6))
    print(f"LR {given.side} x {given.side}, {network.sampler}; at once {seconds:.1f} s")
    print("| tile | overlap | dB to the whole | high frequencies in overlaps | seconds |\n|---|---|---|---|---|")
    for pair in given.tiles:
        size, overlap = map(int, pair.split(":"))
        options = LatentTileOptions(size=size, overlap=overlap)
        sr, seconds = run(options)
        rough = overlap_roughness(sr, whole, options, factor=network.autoencoder.factor)
        print(f"| {size} | {overlap} | {decibels(sr, whole):.1f} | {rough:.3f} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
