"""What dynamic acceleration gains: error and time against its threshold, beside as many fewer steps of DDIM.

    python benchmarks/sampling_reuse.py -opt options/tiny_test_MSSD_UCM_x4.yml --figure mssd_reuse

The middles of every so manieth image of a test's data set are sampled in one batch, with their captions if they have
some: in many steps of DDIM, which is what the others are compared with; in fewer; and in so many of which each policy
takes some over, at several thresholds. A row says how near its images come to those of many steps, in dB of RGB from 0
to 1 (mean over images) and by LPIPS (left out, which is said, where its weights cannot be had), and what it cost: in
processor seconds of one image, the fewest of some runs in turn, and in complete steps, where a step that was taken over
costs the share that the UNet's encoder has of a complete one. ``gain`` is the dB above plain DDIM of equal cost,
between whose steps lines are drawn.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sampling_steps import loaded, middles, parser_of

import segsr_arch  # noqa: F401 # before basicsr, which it repairs

# isort: split
from basicsr.utils import tensor2img

from segsr_arch.diffusion.latent_network import LatentDiffusion
from segsr_arch.diffusion.samplers.sampling import SamplerOptions
from segsr_arch.diffusion.steering.acceleration import AccelerationOptions, Accelerator
from segsr_arch.evaluation.figures.style import figure_style, looks, new_figure, save_figure
from segsr_arch.evaluation.trained_network import load_trained
from segsr_arch.metrics.metric import LoadedMetric
from segsr_arch.running.progress import progress

POLICIES = ("fixed", "falling", "ratchet")
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
FEWER = (2, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 25, 30, 40)

Row = dict[str, float]
Rows = dict[tuple[str, float], Row]


class Comparison:
    """Images of one batch, and those that many steps make of them.

    Args:
        network: What samples.
        lq: LR images (B, 3, H, W).
        captions: B captions, or ``None``.
        sampler: DDIM, whose steps are so many as policies take some over of.
        many: Steps of what all are compared with.
        lpips: LPIPS, if it can be had.
    """

    def __init__(
        self,
        network: LatentDiffusion,
        lq: torch.Tensor,
        captions: Sequence[str] | None,
        *,
        sampler: SamplerOptions,
        many: int,
        lpips: LoadedMetric | None = None,
    ) -> None:
        self._network, self._lq, self._captions = network, lq, captions
        self._sampler, self._lpips = sampler, lpips
        self._many = self._sampled(many)
        self.encoder_share = encoder_share(network, lq, captions, weight=sampler.guidance)

    def row(self, *, steps: int | None = None, acceleration: AccelerationOptions | None = None) -> Row:
        """Sample, plainly in so many steps or with a policy in those of the sampler, and compare."""
        network = self._network
        network.accelerator = Accelerator(acceleration or AccelerationOptions())
        steps = steps or self._sampler.steps
        start = time.process_time()
        images = self._sampled(steps)
        seconds = (time.process_time() - start) / len(images)
        reused = network.accelerator.reused / len(images)
        errors = (images - self._many).square().mean((1, 2, 3))
        row = {"dB": float((-10 * errors.log10()).mean())}
        if self._lpips is not None:
            pairs = zip(images, self._many, self._lq, strict=True)
            row["lpips"] = float(np.mean([self._lpips(*(tensor2img([one]) for one in pair), 1) for pair in pairs]))
        return row | {"seconds": seconds, "taken over": reused, "cost": steps - (1 - self.encoder_share) * reused}

    @torch.no_grad()
    def _sampled(self, steps: int) -> torch.Tensor:
        return self._network(self._lq, self._captions, seed=0, sampler=replace(self._sampler, steps=steps))


@torch.no_grad()
def encoder_share(
    network: LatentDiffusion, lq: torch.Tensor, captions: Sequence[str] | None, *, weight: float, repeats: int = 9
) -> float:
    """Seconds of the UNet's encoder with words over those of a complete step: medians of repeats, taken in turn."""
    image = network.image_of(lq, seed=0)
    unet = network.unet
    steering = unet.steering(unet.stem(image).features, captions)
    side = network.autoencoder.factor
    latents = torch.randn(len(lq), network.autoencoder.channels, *(length // side for length in image.shape[-2:]))
    t = torch.full((len(lq),), network.schedule.steps // 2)

    def seconds(run: Callable[..., object]) -> float:
        start = time.process_time()
        run(latents, t, steering, weight)
        return time.process_time() - start

    pairs = [(seconds(unet.encode_guided), seconds(unet.predict_guided)) for _ in range(repeats + 1)][1:]
    encoder, complete = np.median(pairs, axis=0)
    return float(encoder / complete)


def with_gain(plain: Mapping[float, Row], row: Row) -> Row:
    """Add how many dB a row has above plain DDIM of its cost; not a number beyond the fewest and most steps."""
    costs = sorted(plain)
    at_equal_cost = np.interp(row["cost"], costs, [plain[cost]["dB"] for cost in costs], left=np.nan, right=np.nan)
    return row | {"gain": row["dB"] - float(at_equal_cost)}


def table(rows: Rows) -> str:
    """Write all rows in Markdown."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = ["| | steps or threshold | " + " | ".join(names) + " |", "|---" * (2 + len(names)) + "|"]
    for (kind, number), row in rows.items():
        cells = (f"{row[name]:.2f}" if name in row else "" for name in names)
        lines.append(f"| {kind} | {number:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(rows: Rows, stem: str) -> tuple[Path, Path]:
    """Draw how near images come to those of many steps: against cost, against seconds, and against the threshold."""
    kinds = list(dict.fromkeys(kind for kind, _ in rows))
    with figure_style():
        figure = new_figure(2.4, layout="constrained")
        plots = figure.subplots(1, 3, sharey=True)
        for kind, look in zip(kinds, looks(len(kinds)), strict=True):
            chosen = [(number, row) for (named, number), row in rows.items() if named == kind]
            errors = [row["dB"] for _, row in chosen]
            style = {"label": kind, "color": look.colour, "marker": look.marker, "linestyle": look.line}
            for axes, name in zip(plots[:2], ("cost", "seconds"), strict=True):
                axes.plot([row[name] for _, row in chosen], errors, **style)
            if kind in POLICIES:
                plots[2].plot([number for number, _ in chosen], errors, **style)
        for axes, label in zip(
            plots, ("cost, complete steps", "processor seconds of an image", "threshold"), strict=True
        ):
            axes.set_xlabel(label)
            axes.grid(visible=True)
        plots[0].set_ylabel("dB to many steps")
        plots[0].legend()
        return save_figure(figure, stem)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of one network."""
    parser = parser_of(__doc__, images=8)
    parser.add_argument("--steps", type=int, default=20, help="of which policies take some over")
    parser.add_argument("--many", type=int, default=100, help="steps of what all are compared with")
    parser.add_argument("--thresholds", type=float, nargs="+", default=THRESHOLDS)
    parser.add_argument("--most_in_a_row", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2, help="runs of each, in turn, for the seconds")
    given = parser.parse_args(arguments)
    trained = load_trained(given.opt, overrides=given.force_yml)
    network: Any = trained.network
    items = middles(trained, given)
    comparison = Comparison(
        network,
        torch.stack([item["lq"] for item in items]),
        [item["caption"] for item in items] if "caption" in items[0] else None,
        sampler=replace(network.sampler, type="ddim", steps=given.steps, guidance=given.guidance),
        many=given.many,
        lpips=loaded(["lpips"]).get("lpips"),
    )
    plan = [("DDIM", float(steps)) for steps in (*(n for n in FEWER if n < given.steps), given.steps)]
    plan += [(policy, threshold) for policy in POLICIES for threshold in given.thresholds]
    rows: Rows = {}
    for kind, number in progress(plan * given.repeats, unit="samplers"):
        if kind == "DDIM":
            row = comparison.row(steps=int(number))
        else:
            options = AccelerationOptions(policy=kind, threshold=number, most_in_a_row=given.most_in_a_row)
            row = comparison.row(acceleration=options)
        fewest = min(row["seconds"], rows.get((kind, number), row)["seconds"])
        rows[kind, number] = row | {"seconds": fewest}
    plain = {steps: row for (kind, steps), row in rows.items() if kind == "DDIM"}
    rows |= {key: with_gain(plain, row) for key, row in rows.items() if key[0] != "DDIM"}
    print(
        f"{trained.checkpoint}, guidance {given.guidance:g}, {len(items)} images of {given.side}^2 HR pixels, "
        f"{given.many} steps compared with; the encoder is {comparison.encoder_share:.2f} of a step"
    )
    print(table(rows))
    if given.figure:
        print(*draw(rows, given.figure))


if __name__ == "__main__":
    main()
