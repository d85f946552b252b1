"""Peak memory and time of Stable Diffusion's autoencoder at its full size, at once and in tiles that give the same.

    python benchmarks/mssd_autoencoder.py [--side 1024] [--tiles 64 32] [--sweeps 2]

Its weights are random, which changes neither memory nor the time of a sweep. Each row decodes one image in a process of
its own, after the parts were made; so many sweeps are timed, and how many an image needs depends on the weights.
"""

import argparse
import platform
import subprocess
import sys

# Stable Diffusion 1's.
_CONFIG = {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "latent_channels": 4,
}


def decode(side: int, tile: int | None, sweeps: int) -> None:
    """Decode latents of an image of that side; prints seconds, and megabytes beyond what there was before."""
    import time

    import diffusers
    import torch

    from segsr_arch.diffusion.parts import autoencoder_tiles
    from segsr_arch.diffusion.parts.autoencoders import LatentAutoencoder
    from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions
    from segsr_arch.scenes.report import peak_memory

    change, seen = autoencoder_tiles._change, []

    def settled_after(before, now):
        seen.append(change(before, now))
        return 0.0 if len(seen) == sweeps - 1 else 1.0

    autoencoder_tiles._change = settled_after
    torch.manual_seed(0)
    autoencoder = LatentAutoencoder(diffusers.AutoencoderKL(**_CONFIG)).eval()
    latents = torch.randn(1, 4, side // 8, side // 8)
    options = LatentTileOptions(autoencoder=tile)
    with torch.no_grad():
        autoencoder.decode(latents[..., :16, :16])
        before, start = peak_memory(), time.perf_counter()
        autoencoder.decode(latents, options)
    print((peak_memory() - before) / 1e6, time.perf_counter() - start)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1024, help="of the image, in pixels")
    parser.add_argument(
        "--tiles", type=int, nargs="+", default=[64, 32], help="of latents, see latent_tile: autoencoder"
    )
    parser.add_argument("--sweeps", type=int, default=2, help="over all tiles")
    arguments = parser.parse_args()
    for tile in (None, *arguments.tiles):
        call = f"from mssd_autoencoder import decode; decode({arguments.side}, {tile}, {arguments.sweeps})"
        done = subprocess.run(
            [sys.executable, "-c", call], stdout=subprocess.PIPE, text=True, check=True, cwd=sys.path[0]
        )
        megabytes, seconds = map(float, done.stdout.split())
        what = "at once" if tile is None else f"tiles of {tile}, {arguments.sweeps} sweeps"
        print(f"{what:26} {megabytes:7.0f} MB  {seconds:6.1f} s", flush=True)
    print(f"{arguments.side} x {arguments.side} pixels, float32, {platform.processor() or platform.machine()}")


if __name__ == "__main__":
    main()
