"""What bicubic enlargement reaches on images that were blurred by the published test kernels, as Markdown tables.

    python benchmarks/degradations.py datasets/UCMerced/val/HR_x4

Images are blurred, reduced (bicubic), given noise where the table says so, rounded, and enlarged again; the mean over
the images is printed. The noise of an image depends on the seed and its place in the order of names alone. The last
line compares the reduction of IKC's public code with floats.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from segsr_arch.archs.bicubic_arch import Bicubic
from segsr_arch.degradations.bicubic import mod_crop
from segsr_arch.degradations.chain import Chain
from segsr_arch.degradations.kernels import DRSR_TEST_KERNELS, GAUSSIAN8
from segsr_arch.images.reading import read_rgb
from segsr_arch.metrics.measures.fidelity import measure_fidelity
from segsr_arch.running.progress import progress
from segsr_arch.sources.image_sources import is_image_path

PROTOCOLS = ("y-crop", "rgb-crop")
NOISES = (0, 5, 10)  # of the anisotropic table, in grey levels


def blurs(scale):
    """Blurs by a label: none, the eight isotropic ones, the eleven anisotropic ones, as steps of a chain."""
    found = {"none": []}
    found |= {f"isotropic {sigma:g}": [{"type": "isotropic", "sigma": sigma}] for sigma in GAUSSIAN8[scale]}
    for l1, l2, theta in DRSR_TEST_KERNELS:
        found[f"({l1:g}, {l2:g}, {theta:g} pi)"] = [{"type": "anisotropic", "l1": l1, "l2": l2, "theta": theta}]
    return found


def enlarged(lq, scale):
    """Enlarge an RGB image of 8 bits as tables of this field do: (H, W, 3) -> (sH, sW, 3)."""
    with torch.no_grad():
        sr = Bicubic(upscale=scale)(torch.from_numpy(lq).permute(2, 0, 1)[None].float())
    return np.ascontiguousarray(sr[0].permute(1, 2, 0).numpy().round().clip(0, 255).astype(np.uint8))


def measure(images, *, scale, seed):
    """Measure bicubic enlargement on every blur and noise.

    Args:
        images: HR images by name.
        scale: 2, 3 or 4.
        seed: Of the noise.

    Returns:
        PSNR (dB) and SSIM, each a mean over the images, by (blur, noise) and protocol.
    """
    cases = {
        (label, noise): Chain.read([*steps, {"type": "reduce"}, {"type": "noise", "sigma": noise}], scale=scale)
        for label, steps in blurs(scale).items()
        for noise in (NOISES if label.startswith("(") else (0,))
    }
    found = {case: [] for case in cases}
    for place, name in enumerate(progress(sorted(images), unit="image", what="bicubic", keep=False)):
        gt = mod_crop(images[name], scale)
        for case, chain in cases.items():
            lq = chain.apply(gt, np.random.default_rng((seed, place))).lq
            pair = [np.ascontiguousarray(image[..., ::-1]) for image in (enlarged(lq, scale), gt)]
            values = measure_fidelity(*pair, scale=scale, protocols=PROTOCOLS)
            found[case].append([(values[name].psnr, values[name].ssim) for name in PROTOCOLS])
    return {case: dict(zip(PROTOCOLS, np.mean(values, axis=0), strict=True)) for case, values in found.items()}


def bytes_against_floats(images, *, scale, sigma=2.6):
    """Mean of what IKC's code gives less what floats give, in grey levels, over all images."""
    blur = {"type": "isotropic", "sigma": sigma}
    published = Chain.read([blur, {"type": "reduce", "how": "pillow"}], scale=scale)
    exact = Chain.read([blur], scale=scale)
    rng = np.random.default_rng(0)  # nothing is drawn
    differences = []
    for image in images.values():
        gt = mod_crop(image, scale)
        floats = exact.apply(np.float32(gt / 255), rng).lq * 255.0
        differences.append((published.apply(gt, rng).lq - floats).mean())
    return float(np.mean(differences))


def tables(found):
    """Write both tables in Markdown: without noise in both protocols, and the anisotropic kernels with noise."""
    lines = ["| blur | " + " | ".join(f"PSNR / SSIM `{name}`" for name in PROTOCOLS) + " |", "|---|---|---|"]
    for (label, noise), values in found.items():
        if noise == 0:
            lines.append(f"| {label} | " + " | ".join("{:.4f} / {:.4f}".format(*values[p]) for p in PROTOCOLS) + " |")
    lines += ["", "| blur | " + " | ".join(f"noise {noise}" for noise in NOISES) + " |", "|---|---|---|---|"]
    for label in dict.fromkeys(label for label, noise in found if noise):
        row = (f"{found[label, noise]['y-crop'][0]:.4f}" for noise in NOISES)
        lines.append(f"| {label} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def main(arguments=None):
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of HR images")
    parser.add_argument("--scale", type=int, default=4, choices=sorted(GAUSSIAN8))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(parsed.threads)
    paths = sorted(path for path in parsed.folder.iterdir() if is_image_path(path.name))
    if not paths:
        raise SystemExit(f"{parsed.folder}: holds no images.")
    images = {path.name: read_rgb(path.read_bytes())[0] for path in paths}
    print(f"{len(images)} images of {parsed.folder}, x{parsed.scale}, seed {parsed.seed}\n")
    print(tables(measure(images, scale=parsed.scale, seed=parsed.seed)))
    difference = bytes_against_floats(images, scale=parsed.scale)
    print(f"\nIKC's reduction less that of floats, isotropic 2.6: {difference:+.4f} grey levels")


if __name__ == "__main__":
    main()
