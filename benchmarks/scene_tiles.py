"""What tiles and overlaps do to a scene: seam ratio, PSNR and work. One table for each network.

    python benchmarks/scene_tiles.py -opt options/test_SeGSR_UCM_x4.yml --scenes urban.tif --part 1024

Each scene is the truth: its first three bands, cut to ``--part`` pixels in its middle, reduced (antialiased bicubic, 8
bits) and enlarged again in tiles of each size and overlap. The first row of the table is the reference: whole scenes
where ``--whole`` allows that, else the largest tiles with the widest overlap.

``seam ratio``: gradients across the edges of tiles over those across all other borders of LR pixels
(:mod:`segsr_arch.scenes.seams`). ``reference``: the same of the reference, which has no edges there: few edges of a
scene lie where it happens to be lively or calm, and windows of a transformer show at multiples of their size. What
tiles do is the one against the other. ``difference``: mean absolute difference from the reference, in 8-bit units.
``work``: LR pixels that the network was given for each one of the scene.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch

import segsr_arch  # noqa: F401 (repairs basicsr before it is imported, and registers the networks)

# isort: split
from segsr_arch.capabilities import PRECISIONS
from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.evaluation.trained_network import load_trained
from segsr_arch.images.reading import decode
from segsr_arch.inference.form import to_inference_form
from segsr_arch.inference.super_resolution import super_resolve
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.metrics.measures.fidelity import psnr
from segsr_arch.running.progress import progress
from segsr_arch.scenes.seams import Seams, measure_seams
from segsr_arch.windows import Window, WindowGrid

TILES = (32, 48, 64, 96, 128)
OVERLAPS = (0, 8, 16, 32)


def truth_of(path, part, scale):
    """The middle of a raster as an image (H, W, 3) uint8, R, G, B, whose sides are multiples of the scale."""
    image, header = decode(Path(path).read_bytes())
    if image.dtype != np.uint8 or image.shape[2] < 3:
        raise SystemExit(f"{path}: expected three bands of 8 bits, found {header.bands} of {header.dtype}.")
    height, width = (min(side, part) // scale * scale for side in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width, :3])


def enlarge(network, lr, *, scale, tile):
    """Super-resolve an image (h, w, 3) uint8, in tiles or (``None``) whole, and round it to 8 bits."""
    lq = torch.from_numpy(lr.transpose(2, 0, 1).copy())[None].float() / 255
    sr = super_resolve(network, lq, scale=scale, tile=tile)[0]
    return (sr.clamp(0, 1) * 255).round().byte().numpy().transpose(1, 2, 0)


def seam_ratio(images, grids, scale):
    """Seam ratio of whole images (H, W, 3)."""
    sums = Seams()
    for image, grid in zip(images, grids, strict=True):
        place = Window(height=image.shape[0], width=image.shape[1])
        sums += measure_seams(image.transpose(2, 0, 1), grid, scale=scale, place=place)
    return sums.ratio


def measure(network, truths, *, scale, tile, batch=1):
    """Enlarge scenes in one way.

    Returns:
        The outputs, the grids of their tiles, and mean PSNR (y-crop), work and seconds.
    """
    outputs, grids, values = [], [], []
    given = pixels = 0
    options = None if tile is None else TileOptions(size=tile[0], overlap=tile[1], batch=batch)
    start = time.perf_counter()
    for truth in truths:
        lr = make_lr(truth, scale)
        sr = enlarge(network, lr, scale=scale, tile=options)
        outputs.append(sr)
        b_g_r = (np.ascontiguousarray(image[..., ::-1]) for image in (sr, truth))  # as metrics take them
        values.append(psnr(*b_g_r, scale=scale, protocol="y-crop"))
        size, overlap = tile or (max(lr.shape[:2]), 0)
        grids.append(WindowGrid(height=lr.shape[0], width=lr.shape[1], size=size, overlap=overlap))
        given += len(grids[-1]) * min(size, lr.shape[0]) * min(size, lr.shape[1])
        pixels += lr.shape[0] * lr.shape[1]
    figures = {"psnr": float(np.mean(values)), "work": given / pixels, "seconds": time.perf_counter() - start}
    return outputs, grids, figures


def table_of(network, truths, *, scale, tiles=TILES, overlaps=OVERLAPS, batch=1, whole=False):
    """Measure all sizes and overlaps, largest first; yields size, overlap and figures."""
    reference = None
    ways = [(size, overlap) for size in sorted(tiles, reverse=True) for overlap in sorted(overlaps, reverse=True)]
    ways = [None] * whole + [way for way in ways if way[1] <= way[0] / 2]
    for way in progress(ways, unit="way", what="tiles", keep=False):
        outputs, grids, found = measure(network, truths, scale=scale, tile=way, batch=batch)
        reference = reference or outputs
        found["seam"], found["reference"] = (seam_ratio(images, grids, scale) for images in (outputs, reference))
        pairs = zip(outputs, reference, strict=True)
        found["difference"] = float(np.mean([np.abs(one.astype(int) - other).mean() for one, other in pairs]))
        yield way, found


def main(arguments=None):
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-opt", nargs="+", required=True, metavar="FILE", help="option file of a test")
    parser.add_argument("--scenes", nargs="+", required=True, metavar="FILE", help="images of 8 bits, the truth")
    parser.add_argument("--part", type=int, default=1024, help="side of the part in the middle that is taken")
    parser.add_argument("--tiles", type=int, nargs="+", default=TILES)
    parser.add_argument("--overlaps", type=int, nargs="+", default=OVERLAPS)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="give the networks whole scenes, too: the reference then")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=tuple(PRECISIONS), default="fp32", help="as of segsr export")
    parser.add_argument("--threads", type=int, default=1)
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(parsed.threads)
    for path in parsed.opt:
        network = load_trained(path, device=parsed.device)
        to_inference_form(network.network, precision=parsed.precision)
        truths = [truth_of(scene, parsed.part, network.scale) for scene in parsed.scenes]
        print(f"{network.name}, x{network.scale}, {len(truths)} scenes of about {parsed.part} pixels", flush=True)
        print("| tile | overlap | PSNR (dB) | seam ratio | reference | difference | work | seconds |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        found = table_of(
            network.run,
            truths,
            scale=network.scale,
            tiles=parsed.tiles,
            overlaps=parsed.overlaps,
            batch=parsed.batch,
            whole=parsed.whole,
        )
        for way, row in found:
            size, overlap = way or ("whole", "-")
            ratios = ("-" if math.isnan(row[name]) else f"{row[name]:.3f}" for name in ("seam", "reference"))
            print(
                f"| {size} | {overlap} | {row['psnr']:.4f} | {' | '.join(ratios)} | {row['difference']:.3f} | "
                f"{row['work']:.2f} | {row['seconds']:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
