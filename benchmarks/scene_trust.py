"""What consistency costs, and whether the spread of an ensemble tells where an output is wrong.

    python benchmarks/scene_trust.py -opt options/test_SeGSR_UCM_x4.yml --figure trust

For the images of a test's data set, which are enlarged whole. The first table: PSNR (y-crop) and LR consistency of
bicubic interpolation, of the network and of the mean of its eight answers, as they are and after the projection of
``segsr upscale --consistent``. The second one, for the mean of the eight answers: Spearman's rank correlation of its
absolute error with the spread, with the gradient of the image itself, which costs nothing, and with the sum of the
ranks of both; and which share they reach of what an oracle gains by leaving out the worst pixels. Mean over images,
with the 95 % bootstrap interval; once for output pixels, once for means over those of each LR pixel. Last: the rank
correlation over images of mean spread and mean error.
"""

import argparse
import time

import numpy as np
import torch
from scipy import stats

import segsr_arch  # noqa: F401 (repairs basicsr before it is imported, and registers the networks)

# isort: split
from segsr_arch.archs.bicubic_arch import Bicubic
from segsr_arch.capabilities import PRECISIONS
from segsr_arch.evaluation.dataset_items import dataset_items
from segsr_arch.evaluation.figures.style import save_figure
from segsr_arch.evaluation.figures.uncertainty_figure import Panel, draw_uncertainty
from segsr_arch.evaluation.sparsification import rank_correlation, sparsification
from segsr_arch.evaluation.trained_network import load_trained
from segsr_arch.inference.form import to_inference_form
from segsr_arch.metrics.measures.fidelity import luma, psnr
from segsr_arch.results.statistics import mean_with_interval
from segsr_arch.running.progress import progress
from segsr_arch.scenes import consistency
from segsr_arch.scenes.network.ensemble import Ensemble
from segsr_arch.scenes.network.networks import as_scene_model
from segsr_arch.windows import Window

KINDS = ("spread", "gradient", "both")


def to_8_bits(sr):
    """Cut and round (3, H, W) in units of 8 bits."""
    return np.rint(sr).clip(0, 255).astype(np.uint8)


def with_and_without_projection(sr, lr, gt, scale):
    """PSNR, LR consistency and seconds of the projection, of an output (3, H, W) as it is and projected.

    All are R, G, B.
    """
    start = time.perf_counter()
    projected = consistency.project(sr, lr, scale=scale)
    seconds = time.perf_counter() - start
    figures = {}
    for name, image in (("as it is", to_8_bits(sr)), ("consistent", projected)):
        figures[name] = {
            "psnr": psnr(bgr(image.transpose(1, 2, 0)), bgr(gt), scale=scale, protocol="y-crop"),
            "consistency": consistency.measure(image, lr, scale=scale),
            "seconds": seconds / (sr[0].size / 1e6) if name == "consistent" else 0.0,
        }
    return figures


def bgr(image):
    """The other order of the three colours of (H, W, 3): metrics take B, G, R."""
    return np.ascontiguousarray(image[..., ::-1])


def gradient_of(image):
    """Size of the gradient of the luma of (H, W, 3) uint8, R, G, B."""
    return np.hypot(*np.gradient(luma(bgr(image))[..., 0]))


def over_lr_pixels(values, scale):
    """Means over the pixels of each LR pixel: (H, W) -> (h, w)."""
    height, width = values.shape
    return values.reshape(height // scale, scale, width // scale, scale).mean(axis=(1, 3))


def trust(mean, spread, gt, scale):
    """Rank correlations and sparsification of one image, for output pixels and for LR pixels."""
    image = to_8_bits(mean).transpose(1, 2, 0)
    error = np.abs(mean - gt.transpose(2, 0, 1)).mean(axis=0)
    maps = {"spread": spread, "gradient": gradient_of(image)}
    found = {}
    for unit, factor in (("output pixel", 1), ("LR pixel", scale)):
        errors = over_lr_pixels(error, factor)
        uncertain = {kind: over_lr_pixels(values, factor) for kind, values in maps.items()}
        uncertain["both"] = sum(stats.rankdata(values).reshape(values.shape) for values in uncertain.values())
        for kind, values in uncertain.items():
            found[unit, kind] = rank_correlation(values, errors), sparsification(values, errors)
    return found, {"image": image, "error": error, "spread": spread}


def measure(network, items):
    """Measure all images; returns rows of the first table, what :func:`trust` found, and pictures of each."""
    scale = network.scale
    model = as_scene_model(network)
    ensemble, bicubic = Ensemble(model), as_scene_model(Bicubic(upscale=scale))
    rows, found, pictures = [], [], []
    for item in progress(items, unit="image", what=network.name, keep=False):
        sample, lr, gt = item.read()
        tiles = sample["lq"][None]
        places = [Window(height=tiles.shape[2], width=tiles.shape[3])]
        gt, lr = bgr(gt), np.ascontiguousarray(bgr(lr).transpose(2, 0, 1))  # R, G, B from here on
        with torch.no_grad():
            answer = 255 * ensemble(tiles, places)[0].numpy()
            outputs = {
                "bicubic": 255 * bicubic(tiles, places)[0].numpy(),
                network.name: 255 * model(tiles, places)[0].numpy(),
                f"{network.name}, mean of eight": answer[:3],
            }
        rows.append({name: with_and_without_projection(sr, lr, gt, scale) for name, sr in outputs.items()})
        per_image, picture = trust(answer[:3], answer[3], gt, scale)
        found.append(per_image)
        pictures.append({**picture, "lr": lr.transpose(1, 2, 0), "name": item.row.name})
    return rows, found, pictures


def with_interval(values):
    """Mean and 95 % interval, in words; images without a value, such as a flat spread, are left out."""
    values = [value for value in values if np.isfinite(value)]
    if len(values) < 2:
        return "-"
    mean = mean_with_interval(values)
    return f"{mean.mean:.4f} [{mean.low:.4f}, {mean.high:.4f}]"


def print_tables(network, rows, found, pictures):
    """Print both tables, and how images compare."""
    print(f"\n{network.name}: {len(rows)} images\n")
    print("| output | | PSNR (dB) | difference (dB) | LR consistency | largest | missed | s a megapixel |")
    print("|---|---|---|---|---|---|---|---|")
    for name in rows[0]:
        plain = [row[name]["as it is"]["psnr"] for row in rows]
        for kind in ("as it is", "consistent"):
            values = [row[name][kind]["psnr"] for row in rows]
            sums = sum((row[name][kind]["consistency"] for row in rows), start=consistency.Consistency())
            changed = with_interval(np.subtract(values, plain)) if kind == "consistent" else "-"
            seconds = np.median([row[name][kind]["seconds"] for row in rows])
            print(
                f"| {name} | {kind} | {np.mean(values):.4f} | {changed} | {sums.mean:.4f} | {sums.largest:.3f} | "
                f"{sums.missed} of {sums.pixels} | {seconds:.3f} |"
            )
    print("\n| pixels | map | rank correlation with the error | share of the oracle's gain |")
    print("|---|---|---|---|")
    for unit, kind in found[0]:
        correlations = [image[unit, kind][0] for image in found]
        gained = [image[unit, kind][1].gained for image in found]
        print(f"| {unit} | {kind} | {with_interval(correlations)} | {with_interval(gained)} |")
    for unit in ("output pixel", "LR pixel"):
        more = with_interval([image[unit, "both"][0] - image[unit, "gradient"][0] for image in found])
        print(f"{unit}: correlation of both less that of the gradient: {more}.")
        better = np.mean([image[unit, "spread"][0] > image[unit, "gradient"][0] for image in found])
        print(f"{unit}: the spread's correlation is above the gradient's in {100 * better:.1f} % of the images.")
    means = [np.array([picture[name].mean() for picture in pictures]) for name in ("spread", "error")]
    print(f"Over images: rank correlation of mean spread and mean error {rank_correlation(*means):.4f}.")


def draw(network, found, pictures, stem):
    """Draw the image whose correlation is the median one, and the mean curves of all."""
    unit = "LR pixel"
    correlations = [image[unit, "spread"][0] for image in found]
    middle = int(np.argsort(correlations)[len(correlations) // 2])
    picture = pictures[middle]
    error, spread = (over_lr_pixels(picture[name], network.scale) for name in ("error", "spread"))
    panels = [
        Panel(title="output", image=picture["image"]),
        Panel(title="its error", image=error, largest=float(np.quantile(error, 0.99))),
        Panel(title="spread", image=spread, largest=float(np.quantile(spread, 0.99))),
    ]
    curves = {
        f"highest {kind} first": np.mean([image[unit, kind][1].curve for image in found], axis=0) for kind in KINDS[:2]
    }
    oracle = np.mean([image[unit, "spread"][1].oracle for image in found], axis=0)
    caption = (
        f"{network.name}, mean of eight flips and rotations. Pictures: {picture['name']}, the image whose rank "
        f"correlation of spread and error is the median one ({correlations[middle]:.2f}); absolute error and spread "
        f"are means over each LR pixel, colours up to the 99 % quantile. Curves: mean over {len(found)} images."
    )
    return save_figure(draw_uncertainty(panels, curves, oracle, caption=caption), stem)


def main(arguments=None):
    """Parse the command line, measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-opt", required=True, metavar="FILE", help="option file of a test with ground truth")
    parser.add_argument("--images", type=int, help="take so many images only, spread over the data set")
    parser.add_argument("--figure", metavar="STEM", help="draw STEM.png and STEM.pdf")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=tuple(PRECISIONS), default="fp32", help="as of segsr export")
    parser.add_argument("--threads", type=int, default=1)
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(parsed.threads)
    network = load_trained(parsed.opt, device=parsed.device)
    to_inference_form(network.network, precision=parsed.precision)
    (_, dataset), *_ = network.datasets()
    items = list(dataset_items(dataset))
    if parsed.images:
        items = items[:: -(-len(items) // parsed.images)]
    rows, found, pictures = measure(network, items)
    print_tables(network, rows, found, pictures)
    if parsed.figure:
        print(*draw(network, found, pictures, parsed.figure))


if __name__ == "__main__":
    main()
