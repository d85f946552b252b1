"""Evaluations of small images, as ``segsr evaluate`` leaves them on the disk."""

import cv2
import numpy as np
from matplotlib.text import Text

from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.metrics.measures.fidelity import psnr
from segsr_arch.results.record import Column, Cost, EvaluationRecord, ImageRow
from segsr_arch.results.references import ImageReference
from segsr_arch.results.writing import write_record
from tests.support import make_image, write_image

PSNR = Column(name="psnr_y-crop", metric="psnr", protocol="y-crop", unit="dB", decimals=2)
SCALE = 4


def blurred(image, sigma):
    """The image, worse the larger sigma."""
    return cv2.GaussianBlur(image, (0, 0), sigma)


def write_evaluation(
    root,
    method,
    sigma,
    *,
    names=("farm01", "farm02", "river01"),
    dataset="Set",
    size=(64, 64),
    iteration=None,
    cost=None,
    vlm=None,
    units=0,
    with_lq=True,
    with_sr=True,
    change=lambda image: image,
):
    """Write images and the evaluation of a method that blurs; ``change`` is applied to SR and GT as they are stored."""
    folder = root / method / "evaluation" / dataset
    if iteration is not None:
        folder = root / method / "validation" / dataset / f"{iteration:08d}"
    rows = []
    for seed, name in enumerate(names):
        gt = make_image(seed, *size)
        sr = blurred(gt, sigma + 0.1 * seed)
        paths = {"sr": folder / f"sr/{name}.png", "gt": root / f"gt_{dataset}/{name}.png"}
        write_image(paths["gt"], change(gt))
        if with_sr:
            write_image(paths["sr"], change(sr))
        else:
            del paths["sr"]
        if with_lq:
            paths["lq"] = write_image(root / f"lq_{dataset}/{name}.png", make_lr(gt, SCALE))
        if units:
            paths["maps"] = folder / f"maps/{name}.npz"
            paths["maps"].parent.mkdir(exist_ok=True, parents=True)
            ramp = np.linspace(-0.5, 0.1 * (seed + 1), units * 16).reshape(units, 4, 4).astype(np.float16)
            np.savez(paths["maps"], maps=ramp, cells_per_pixel=np.float64(0.25))
        places = {key: ImageReference(path=str(path)) for key, path in paths.items()}
        values = {PSNR.name: psnr(sr, gt, scale=SCALE)}
        rows.append(ImageRow(name=name, class_name=name[:-2], values=values, **places))
    record = EvaluationRecord(
        method=method,
        dataset=dataset,
        scale=SCALE,
        columns=(PSNR,),
        images=tuple(rows),
        iteration=iteration,
        cost=cost,
        provenance={"vlm": vlm},
    )
    write_record(folder, record)
    return folder


def a_cost(**changes):
    """A cost with some values changed."""
    values = {"parameters": 2_000_000, "trainable": 1_000_000, "macs": 5 * 10**9, "seconds": 0.25, "device": "cpu"}
    return Cost(**{**values, "lr_size": (64, 64), **changes})


def texts(figure):
    """All texts of a figure, in the order of drawing."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def all_text(figure):
    """The figure's texts as one, so that the breaks of lines do not matter."""
    return " ".join(texts(figure))
