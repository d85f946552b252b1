"""Runs of tables that nobody has run: made-up figures in the places where real ones lie."""

from dataclasses import replace

import numpy as np

from segsr_arch.cli import segsr
from segsr_arch.reproduction.presets import SMALL, Schedule
from segsr_arch.reproduction.run_options import Settings
from segsr_arch.results.record import Column, Cost, EvaluationRecord, ImageRow
from segsr_arch.results.writing import write_record
from tests.support import TINY_SEMANTICS, make_image, write_image

RANDOM = "inline with weights random(0) (digest 0123456789ab)"
TRAINED = "inline with weights vit.pt (digest ba9876543210)"
COLUMNS = tuple(
    Column(name=f"{metric}_{protocol}", metric=metric, protocol=protocol, unit="dB" if metric == "psnr" else "")
    for metric in ("psnr", "ssim")
    for protocol in ("y-crop", "rgb-crop")
)


def make_settings(**changes):
    """Settings of the small preset on a folder that is not there."""
    given = {"preset": SMALL, "dataset": "UCM", "scale": 4, "data": "/nowhere", "final_split": "val"}
    return Settings(**given | changes)


def leave_run(
    place, run, psnr, *, classes=("farm",), vlm=None, digest="d", seconds=100.0, parameters=2_000_000, **progress
):
    """Leave what a finished run leaves: options, record and progress.

    Args:
        place: The workplace.
        run: The run.
        psnr: PSNR (y-crop) by image, a list of them, or their mean.
        classes: Of the images in turn.
    """
    if isinstance(psnr, float):
        psnr = psnr + np.linspace(-2, 2, 5)
    if not isinstance(psnr, dict):
        psnr = {f"farm{index:03}": float(value) for index, value in enumerate(psnr)}
    rows = tuple(
        ImageRow(
            name=name,
            class_name=classes[index % len(classes)],
            gt_digest=digest,
            values={
                "psnr_y-crop": value,
                "psnr_rgb-crop": value - 1.5,
                "ssim_y-crop": value / 40,
                "ssim_rgb-crop": value / 41,
            },
        )
        for index, (name, value) in enumerate(sorted(psnr.items()))
    )
    guided = run.train["network_g"]["type"] == "SemanticSR"
    record = EvaluationRecord(
        method=run.name,
        dataset=run.dataset,
        scale=run.train["scale"],
        columns=COLUMNS,
        images=rows,
        cost=Cost(
            parameters=parameters,
            trainable=parameters // 2,
            macs=10**9,
            seconds=0.1,
            memory=20_000_000,
            lr_size=(64, 64),
            device="CPU, 1 thread",
        ),
        provenance={
            "vlm": (vlm or RANDOM) if guided else None,
            "versions": {"segsr": "0.1.0", "torch": "2.15.0"},
            "machine": {"processor": "A processor"},
            "checkpoint": {"path": "net_g_latest.pth", "sha256": "0" * 64},
        },
    )
    place.write_options(run)
    write_record(place.evaluation_folder(run), record)
    given = {"trained": True, "measured": True, "train_seconds": seconds, "attempts": 1, "threads": 1}
    place.note(run, **given | progress)


def prepare_images(root, *, count=20, side=64, scale=4, test=True):
    """Prepare small images as a folder, as users do: 16 LR pixels for training; returns the folder."""
    for number in range(count):
        write_image(root / "scenes/roads" / f"roads{number:02}.png", make_image(number, side, side))
    arguments = ["prepare", "folder", str(root / "scenes"), str(root / "data"), "--scale", str(scale), "--jobs", "1"]
    arguments += ["--patch", str(side // scale), "--val", "3", "--test", "3" if test else "0"]
    assert segsr.main(arguments) == 0
    return root / "data"


def tiny_preset():
    """A preset whose networks train in milliseconds, on images of 64 x 64 at x4."""
    edsr = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 4}
    return replace(
        SMALL,
        networks={**SMALL.networks, "EDSR": edsr},
        semantics={**TINY_SEMANTICS, "lora_alpha": 2, "lora_targets": "qkv+ffn"},
        lr_patch=8,
        schedules={"UCM": Schedule(iterations=300, milestones=(0.5,))},
    )
