"""PSNR, LPIPS and LR consistency of a diffusion network against the steps of its sampler, for each solver.

    python benchmarks/sampling_steps.py -opt options/tiny_test_MSSD_UCM_x4.yml --guidance 3 --figure steps
    python benchmarks/sampling_steps.py -opt options/tiny_test_MSSD_UCM_x4.yml --guidance 3 \
        --force_yml network_g:one_pass_guidance=head path:pretrain_network_g=STUDENT.pth

Of every so manieth image of a test's data set the middle is measured, with its caption if it has one. Beside the
figures stand the images that the UNet is given for a sample (two a step for guidance in two branches, one for a
student) and its seconds, median over images. LPIPS is left out, which is said, where its weights cannot be had.
Bicubic interpolation of the same places is the first row.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import segsr_arch  # noqa: F401 # before basicsr, which it repairs

# isort: split
from basicsr.utils import tensor2img

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.errors import WeightsError
from segsr_arch.evaluation.figures.style import figure_style, looks, new_figure, save_figure
from segsr_arch.evaluation.trained_network import TrainedNetwork, load_trained
from segsr_arch.metrics.catalogue import find_metric
from segsr_arch.metrics.metric import LoadedMetric
from segsr_arch.models.draws import number_of
from segsr_arch.running.progress import progress

SOLVERS = ("unipc", "ddim", "dpm++", "lcm")
STEPS = (1, 2, 4, 8, 16, 32)
MEASURES = ("psnr", "lpips", "lr_consistency")

Row = dict[str, float]


def loaded(names: Sequence[str]) -> dict[str, LoadedMetric]:
    """Load measures; say which have no weights here."""
    found = {}
    for name in names:
        try:
            found[name] = find_metric(name).load(device=torch.device("cpu"))
        except WeightsError as error:
            print(f"{name} is left out: {error}")
    return found


def middle(item: dict[str, Any], *, side: int, scale: int) -> dict[str, Any]:
    """Cut the middle of an item of a data set: so many HR pixels, a multiple of the scale."""
    top, left = ((length - side // scale) // 2 for length in item["lq"].shape[-2:])
    cut = {"lq": item["lq"][:, top : top + side // scale, left : left + side // scale]}
    cut["gt"] = item["gt"][:, scale * top : scale * top + side, scale * left : scale * left + side]
    return item | cut


def measured(sr: torch.Tensor, item: dict[str, Any], *, scale: int, measures: dict[str, LoadedMetric]) -> Row:
    """Measure an SR image (3, sH, sW), cut to [0, 1] and rounded to 8 bits."""
    images = [tensor2img([image]) for image in (sr, item["gt"], item["lq"])]
    return {name: measure(*images, scale) for name, measure in measures.items()}


@torch.no_grad()
def curve(
    network: MSSD,
    items: Sequence[dict[str, Any]],
    *,
    solver: str,
    steps: int,
    guidance: float,
    measures: dict[str, LoadedMetric],
) -> Row:
    """Mean figures of one solver at so many steps, evaluations of a sample and median of its seconds."""
    sampler = replace(network.sampler, type=solver, steps=steps, guidance=guidance)
    counted: list[int] = []
    hook = network.unet.parts.unet.conv_in.register_forward_pre_hook(lambda _, inputs: counted.append(len(inputs[0])))
    rows, seconds = [], []
    for item in items:
        captions = [item["caption"]] if "caption" in item else None
        start = time.perf_counter()
        sr = network(item["lq"][None], captions, seed=number_of(0, Path(item["gt_path"]).stem), sampler=sampler)[0]
        seconds.append(time.perf_counter() - start)
        rows.append(measured(sr, item, scale=network.upscale, measures=measures))
    hook.remove()
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return means | {"evaluations": sum(counted) / len(items), "seconds": float(np.median(seconds))}


def table(base: Row, rows: dict[tuple[str, int], Row]) -> str:
    """Write all rows in Markdown."""
    names = list(next(iter(rows.values())))
    lines = ["| solver | steps | " + " | ".join(names) + " |", "|---" * (2 + len(names)) + "|"]
    for (solver, steps), row in {("bicubic", 0): base, **rows}.items():
        cells = (f"{row[name]:.3f}" if name in row else "" for name in names)
        lines.append(f"| {solver} | {steps or ''} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(base: Row, rows: dict[tuple[str, int], Row], stem: str) -> tuple[Path, Path]:
    """Draw each measure against the steps, a line a solver; bicubic interpolation is the grey line."""
    with figure_style():
        figure = new_figure(2.2, layout="constrained")
        plots = figure.subplots(1, len(base), squeeze=False)[0]
        for axes, name in zip(plots, base, strict=True):
            metric = find_metric(name)
            solvers = dict.fromkeys(solver for solver, _ in rows)
            for solver, look in zip(solvers, looks(len(solvers)), strict=True):
                points = {steps: row[name] for (named, steps), row in rows.items() if named == solver}
                axes.plot(list(points), list(points.values()), label=solver, color=look.colour, marker=look.marker)
            axes.axhline(base[name], color="0.6", label="bicubic")
            axes.set_xscale("log")
            counts = sorted({steps for _, steps in rows})
            axes.set_xticks(counts, labels=map(str, counts))
            axes.minorticks_off()
            axes.grid(visible=True)
            axes.set(xlabel="steps", ylabel=f"{metric.title}{', ' + metric.unit if metric.unit else ''}")
        plots[0].legend()
        return save_figure(figure, stem)


def parser_of(description: str | None, *, images: int) -> argparse.ArgumentParser:
    """Arguments of a benchmark of samplers: the network, and which images it is measured on."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-opt", required=True, help="option file of a test")
    parser.add_argument("--force_yml", nargs="+", default=(), metavar="KEY=VALUE", help="changes of the option file")
    parser.add_argument("--guidance", type=float, default=1.0, help="weight of guidance")
    parser.add_argument("--images", type=int, default=images, help="so many, evenly spread")
    parser.add_argument("--side", type=int, default=64, help="of the measured middle, in HR pixels")
    parser.add_argument("--figure", help="path of the figure, without ending")
    return parser


def middles(trained: TrainedNetwork, given: argparse.Namespace) -> list[dict[str, Any]]:
    """The middles of evenly spread images of the first data set, as many and as large as the arguments say."""
    (_, dataset), *_ = trained.datasets()
    count = min(given.images, len(dataset))
    chosen = (dataset[place * len(dataset) // count] for place in range(count))
    return [middle(item, side=given.side, scale=trained.scale) for item in chosen]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of one network."""
    parser = parser_of(__doc__, images=12)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--solvers", nargs="+", default=SOLVERS, choices=SOLVERS)
    given = parser.parse_args(arguments)
    trained = load_trained(given.opt, overrides=given.force_yml)
    network: Any = trained.network
    items = middles(trained, given)
    measures = loaded(MEASURES)
    enlarged = [
        measured(network.enlarge(item["lq"][None])[0], item, scale=trained.scale, measures=measures) for item in items
    ]
    base = {name: float(np.mean([row[name] for row in enlarged])) for name in measures}
    rows = {}
    plan = [(solver, steps) for solver in given.solvers for steps in given.steps]
    for solver, steps in progress(plan, unit="samplers"):
        rows[solver, steps] = curve(
            network, items, solver=solver, steps=steps, guidance=given.guidance, measures=measures
        )
    print(f"{trained.checkpoint}, guidance {given.guidance:g}, {len(items)} images of {given.side}^2 HR pixels")
    print(table(base, rows))
    if given.figure:
        print(*draw(base, rows, given.figure))


if __name__ == "__main__":
    main()
