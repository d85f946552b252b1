"""Option mappings as BasicSR's parser makes them, for a tiny network on a few made images."""

import copy

import cv2
import torch

from tests.support import TINY_HAT, TINY_SEMANTICS, make_image, write_image


def make_pairs(folder, count, hr_size=32, scale=2):
    """Write HR and LR images; returns the two folders."""
    for index in range(count):
        hr = make_image(index, hr_size, hr_size)
        lr = cv2.resize(hr, (hr_size // scale, hr_size // scale), interpolation=cv2.INTER_AREA)
        write_image(folder / "HR" / f"im{index}.png", hr)
        write_image(folder / "LR" / f"im{index}.png", lr)
    return str(folder / "HR"), str(folder / "LR")


def tiny_options(root, *, is_train=True, train=None, network=None, model_type="SeGSRModel", images=5, **top):
    """Option mapping of a run whose folders lie in ``root``."""
    hr, lr = make_pairs(root / "data", images)
    dataset = {
        "name": "made",
        "type": "PairedImageDataset",
        "dataroot_gt": hr,
        "dataroot_lq": lr,
        "io_backend": {"type": "disk"},
        "gt_size": 32,
        "use_hflip": False,
        "use_rot": False,
        "batch_size_per_gpu": 4,
        "num_worker_per_gpu": 0,
        "scale": 2,
    }
    folders = {name: str(root / name) for name in ("models", "training_states", "visualization")}
    for folder in folders.values():
        (root / folder).mkdir(exist_ok=True)
    guided = {"type": "SeGSR", "upscale": 2, "semantics": copy.deepcopy(TINY_SEMANTICS), "drop_path_rate": 0.0}
    phase = "train" if is_train else "test"
    return {
        "name": "tiny",
        "model_type": model_type,
        "scale": 2,
        "num_gpu": 0,
        "is_train": is_train,
        "dist": False,
        "rank": 0,
        "world_size": 1,
        "manual_seed": 0,
        "datasets": {phase: {**dataset, "phase": phase}, "val": {**dataset, "name": "made_val", "phase": "val"}},
        "network_g": network or {**guided, **TINY_HAT},
        "path": {**folders, "experiments_root": str(root), "results_root": str(root / "results")},
        "train": {
            "ema_decay": 0.5,
            "optim_g": {"type": "Adam", "lr": 1e-3},
            "scheduler": {"type": "MultiStepLR", "milestones": [100], "gamma": 0.5},
            "total_iter": 4,
            "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
            **(train or {}),
        },
        "val": {
            "save_img": False,
            "suffix": None,
            "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 2, "test_y_channel": True}},
        },
        "logger": {"print_freq": 1, "save_checkpoint_freq": 2, "use_tb_logger": False},
        **top,
    }


def batch(seed=0, count=4):
    """A batch as a loader gives it: LR (count, 3, 16, 16) and HR (count, 3, 32, 32)."""
    generator = torch.Generator().manual_seed(seed)
    gt = torch.rand(count, 3, 32, 32, generator=generator)
    return {"lq": torch.nn.functional.avg_pool2d(gt, 2), "gt": gt}
