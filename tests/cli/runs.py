"""Tiny training runs of a stock network, for the tests of the command ``basicsr``."""

import copy
import logging
import re
import subprocess
import sys

import cv2
import numpy as np
import torch
import yaml

from tests.support import make_image, started, write_image

SCALE = 2


def make_pairs(folder, count=8, size=16):
    """Write ``count`` LR/HR pairs of one and the same content, so that the order of the data does not matter."""
    hr = make_image(3, size, size)
    lr = cv2.resize(hr, (size // SCALE, size // SCALE), interpolation=cv2.INTER_AREA)
    for index in range(count):
        write_image(folder / "HR" / f"{index:02}.png", hr)
        write_image(folder / "LR" / f"{index:02}.png", lr)


def make_options(folder, *, iterations=12, batch=2, workers=0, prefetch=None, val_freq=None, ema=0.9):
    """Options of a run of stock ``SRModel`` on pairs in ``folder``; every iteration is logged."""
    roots = {"dataroot_gt": str(folder / "HR"), "dataroot_lq": str(folder / "LR"), "io_backend": {"type": "disk"}}
    opt = {
        "name": "tiny",
        "model_type": "SRModel",
        "scale": SCALE,
        "num_gpu": 0,
        "manual_seed": 1,
        "datasets": {
            "train": {
                "name": "pairs",
                "type": "PairedImageDataset",
                **roots,
                "gt_size": 16,
                "use_hflip": False,
                "use_rot": False,
                "num_worker_per_gpu": workers,
                "batch_size_per_gpu": batch,
                "dataset_enlarge_ratio": 1,
                "prefetch_mode": prefetch,
            }
        },
        "network_g": {"type": "MSRResNet", "num_feat": 4, "num_block": 1, "upscale": SCALE},
        "path": {"pretrain_network_g": None, "resume_state": None},
        "train": {
            "ema_decay": ema,
            "optim_g": {"type": "Adam", "lr": 1e-3},
            "scheduler": {"type": "MultiStepLR", "milestones": [5, 9], "gamma": 0.5},
            "total_iter": iterations,
            "warmup_iter": 3,
            "pixel_opt": {"type": "L1Loss"},
        },
        "logger": {"print_freq": 1, "save_checkpoint_freq": 1000, "use_tb_logger": False},
    }
    if val_freq is not None:
        opt["datasets"]["val"] = {"name": "few", "type": "PairedImageDataset", **copy.deepcopy(roots)}
        psnr = {"type": "calculate_psnr", "crop_border": 0}
        opt["val"] = {"val_freq": val_freq, "save_img": False, "metrics": {"psnr": psnr}}
    return opt


def write_options(folder, opt, name="tiny.yml"):
    path = folder / name
    path.write_text(yaml.safe_dump(opt, sort_keys=False), encoding="utf-8")
    return path


def forget_logger():
    """Let the next run in this process open its own log file."""
    from basicsr.utils import logger

    logger.initialized_logger.clear()
    for handler in list(logging.getLogger("basicsr").handlers):
        logging.getLogger("basicsr").removeHandler(handler)
        handler.close()
    logging.getLogger("basicsr").propagate = True
    logging.getLogger("basicsr").setLevel(logging.NOTSET)


def run_here(argv, monkeypatch, folder):
    """Run the command in this process with ``folder`` as the working directory; returns the exit code."""
    from segsr_arch.cli.basicsr import main

    monkeypatch.chdir(folder)
    forget_logger()
    try:
        return main([str(part) for part in argv])
    finally:
        forget_logger()


def start(argv, folder, *, launcher=(), seconds=120):
    """Start the command, output in one pipe; a context manager that ends it (:func:`tests.support.started`)."""
    command = [sys.executable, *launcher, "-m", "segsr_arch.cli.basicsr", *argv]
    return started(command, cwd=folder, seconds=seconds, stderr=subprocess.STDOUT)


def losses(folder, name="tiny"):
    """Pixel loss by iteration over all logs of a run."""
    found = {}
    for log in sorted((folder / "experiments" / name).glob("train_*.log")):
        for match in re.finditer(r"iter:\s*([\d,]+),.*l_pix: (\S+)", log.read_text()):
            found[int(match[1].replace(",", ""))] = float(match[2])
    return found


def network(folder, label, name="tiny"):
    """Saved networks (``params``, ``params_ema``) as one flat mapping of arrays."""
    saved = torch.load(folder / "experiments" / name / "models" / f"net_g_{label}.pth", weights_only=True)
    return {(kind, key): np.asarray(value) for kind, weights in saved.items() for key, value in weights.items()}


def largest_difference(one, other):
    assert one.keys() == other.keys()
    return max(float(np.abs(one[key] - other[key]).max()) for key in one)
