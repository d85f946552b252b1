"""Peak memory and time of the stages of VLDM, and what half precision and sliced attention change.

    python benchmarks/vldm_stages.py [--share 0.25] [--side 256] [--scale 4]

The first stage is the paper's UNet at its full size. The second has the depth, blocks and resolutions of Stable
Diffusion XL, its autoencoder at full size, and a share of the widths of its UNet, ControlNet and text encoders (1: all
of it, for a machine with 64 GB). All weights are random, which changes neither memory nor time. Each row super-resolves
one image in a process of its own: a first time in one step, then in one and in three, whose difference is the time of
two.
"""

import argparse
import platform
import subprocess
import sys

ROWS = {
    "first stage": {},
    "second stage": {},
    "second stage, attention_slicing": {"attention_slicing": True},
    "second stage, precision: bf16": {"precision": "bf16"},
    "second stage, both": {"attention_slicing": True, "precision": "bf16"},
}


def parts_of(share):
    """Stable Diffusion XL with a share of its widths; its heads have 64 channels, those of a share as many heads."""
    width = int(320 * share)
    return {
        "autoencoder": {
            "type": "kl",
            "down_block_types": ["DownEncoderBlock2D"] * 4,
            "up_block_types": ["UpDecoderBlock2D"] * 4,
            "block_out_channels": [128, 256, 512, 512],
            "layers_per_block": 2,
            "latent_channels": 4,
        },
        "text": {"width": int(768 * share), "layers": 12, "heads": 12},
        "text_2": {"width": int(1280 * share), "layers": 32, "heads": 20},
        "unet": {
            "block_out_channels": [width, 2 * width, 4 * width],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "layers_per_block": 2,
            "transformer_layers_per_block": [1, 2, 10],
            "attention_head_dim": [5, 10, 20],
            "norm_num_groups": 16,
            "addition_time_embed_dim": 256,
        },
    }


def measure(row, share, side, scale):
    """Print megabytes of weights and beyond them, seconds of a step and of the rest."""
    import time
    from dataclasses import replace

    import torch

    from segsr_arch.archs.pixel_diffusion_arch import PixelDiffusion
    from segsr_arch.archs.vldm_arch import VLDM
    from segsr_arch.scenes.report import peak_memory

    if row == "first stage":
        network = PixelDiffusion(scale=scale)
    else:
        network = VLDM(scale=scale, stable_diffusion_xl=parts_of(share), base="bicubic", **ROWS[row])
    network.eval()
    tensors = [*network.parameters(), *network.buffers()]
    weights = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    lq = torch.rand(1, 3, side // scale, side // scale, generator=torch.Generator().manual_seed(0))
    seconds, before = {}, peak_memory()
    with torch.no_grad():
        for steps in (1, 1, 3):  # the first is for what is set up once
            start = time.perf_counter()
            network(lq, seed=0, sampler=replace(network.sampler, steps=steps))
            seconds[steps] = time.perf_counter() - start
    step = (seconds[3] - seconds[1]) / 2
    print(weights / 1e6, (peak_memory() - before) / 1e6, step, seconds[1] - step)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.25, help="of the widths of Stable Diffusion XL")
    parser.add_argument("--side", type=int, default=256, help="of the image, in pixels")
    parser.add_argument("--scale", type=int, default=4)
    given = parser.parse_args()
    print("stage                             weights, MB  beyond, MB  a step, s  the rest, s")
    for row in ROWS:
        call = f"from vldm_stages import measure; measure({row!r}, {given.share}, {given.side}, {given.scale})"
        done = subprocess.run(
            [sys.executable, "-c", call], stdout=subprocess.PIPE, text=True, check=True, cwd=sys.path[0]
        )
        weights, beyond, step, rest = map(float, done.stdout.split())
        print(f"{row:33} {weights:11.0f} {beyond:11.0f} {step:10.2f} {rest:12.2f}", flush=True)
    print(f"{given.side} x {given.side} pixels, share {given.share:g}, {platform.processor() or platform.machine()}")


if __name__ == "__main__":
    main()
