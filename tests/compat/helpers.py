"""Small data sets, option files and subprocesses for the tests of the repairs."""

import importlib
import importlib.util
import sys

import lmdb
import yaml

from tests.support import make_image, run_command, write_image


class Payload:
    """Unpickling this creates the file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def stock_module(name):
    """A second copy of a module of basicsr, as released; ``sys.modules`` keeps the repaired one."""
    spec = importlib.util.spec_from_file_location(name, importlib.import_module(name).__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_python(*arguments, cwd, timeout=120):
    """Run this interpreter with the project on its path; returns the finished process, output as text."""
    return run_command([sys.executable, *arguments], cwd=cwd, seconds=timeout)


def make_pairs(folder, count=4, scale=2, size=16):
    """Write GT and LQ images into ``folder/gt`` and ``folder/lq``; returns the two folders."""
    for index in range(count):
        write_image(folder / "gt" / f"{index}.png", make_image(index, scale * size, scale * size))
        write_image(folder / "lq" / f"{index}.png", make_image(index, size, size))
    return folder / "gt", folder / "lq"


def make_lmdb(images, folder):
    """Pack a folder of PNG files into an LMDB in BasicSR's format; returns its path."""
    folder.mkdir()
    paths = sorted(images.glob("*.png"))
    with lmdb.open(str(folder), map_size=1 << 22) as environment, environment.begin(write=True) as transaction:
        for path in paths:
            transaction.put(path.stem.encode(), path.read_bytes())
    (folder / "meta_info.txt").write_text("".join(f"{path.name} (0,0,3) 1\n" for path in paths))
    return folder


def paired_options(gt, lq, **changes):
    """Options of a PairedImageDataset."""
    backend = "lmdb" if str(gt).endswith(".lmdb") else "disk"
    options = {
        "name": "tiny",
        "type": "PairedImageDataset",
        "dataroot_gt": str(gt),
        "dataroot_lq": str(lq),
        "io_backend": {"type": backend},
        "phase": "train",
        "scale": 2,
        "gt_size": 16,
        "use_hflip": False,
        "use_rot": False,
    }
    return {**options, **changes}


def write_options(path, gt, lq, *, iterations=4, save_every=2, train=None, **changes):
    """Write an option file for a very small EDSR; returns its path."""
    loader = {"batch_size_per_gpu": 2, "num_worker_per_gpu": 0, "dataset_enlarge_ratio": 1, **(train or {})}
    validation = paired_options(gt, lq)
    options = {
        "name": "tiny",
        "model_type": "SRModel",
        "scale": 2,
        "num_gpu": 0,
        "manual_seed": 0,
        "datasets": {"train": {**paired_options(gt, lq), **loader}, "val": validation},
        "network_g": {
            "type": "EDSR",
            "num_in_ch": 3,
            "num_out_ch": 3,
            "num_feat": 4,
            "num_block": 1,
            "upscale": 2,
            "img_range": 255.0,
            "rgb_mean": [0.5, 0.5, 0.5],
        },
        "path": {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None},
        "train": {
            "ema_decay": 0.9,
            "optim_g": {"type": "AdamW", "lr": 0.001, "weight_decay": 0.0, "betas": [0.9, 0.99]},
            "scheduler": {"type": "MultiStepLR", "milestones": [3, 3], "gamma": 0.5},
            "total_iter": iterations,
            "warmup_iter": -1,
            "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        },
        "val": {
            "val_freq": iterations,
            "save_img": False,
            "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 2, "test_y_channel": False}},
        },
        "logger": {"print_freq": 1, "save_checkpoint_freq": save_every, "use_tb_logger": False, "wandb": None},
        "dist_params": {"backend": "nccl", "port": 29500},
        **changes,
    }
    path.write_text(yaml.safe_dump(options))
    return path


def train(monkeypatch, root, *arguments):
    """Run ``train_pipeline`` in this process with these command-line arguments."""
    import basicsr.train
    from basicsr.utils.logger import initialized_logger

    initialized_logger.clear()  # as in a fresh process: the first logger decides about the log file
    monkeypatch.setattr(sys, "argv", ["train.py", *map(str, arguments)])
    basicsr.train.train_pipeline(str(root))
