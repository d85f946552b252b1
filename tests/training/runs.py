"""Small trainings of twelve iterations that can be cut off after any of them."""

import copy
import shutil

import torch

from tests.cli.runs import make_options, network, run_here, write_options
from tests.models.tiny import make_pairs
from tests.support import TINY_HAT, TINY_SEMANTICS

SEGSR = {"type": "SeGSR", "upscale": 2, "semantics": {**TINY_SEMANTICS, "lora_dropout": 0.3}, **TINY_HAT}
EDSR = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "upscale": 2}


def cropping_options(folder, *, network_g=EDSR, model_type="SeGSRModel", images=7, **changes):
    """Options of a training on crops, turned and flipped, of images that differ; a state each fifth iteration."""
    make_pairs(folder, images, hr_size=48)
    opt = make_options(folder, **changes)
    opt |= {"model_type": model_type, "network_g": copy.deepcopy(network_g)}
    opt["datasets"]["train"] |= {"gt_size": 16, "use_hflip": True, "use_rot": True}
    opt["logger"]["save_checkpoint_freq"] = 5
    return opt


def train(folder, monkeypatch, opt, *arguments):
    """Train in this process; returns the exit code."""
    return run_here(["train", "-opt", write_options(folder, opt), *arguments], monkeypatch, folder)


def cut_off_after(folder, iteration, name="tiny"):
    """Leave of a training what a kill right after saving the state of an iteration leaves."""
    experiment = folder / "experiments" / name
    for path in [*experiment.glob("training_states/*.state"), *experiment.glob("models/net_g_*.pth")]:
        label = path.stem.rpartition("_")[2]
        if not (label.isdigit() and int(label) <= iteration):
            path.unlink()
    (experiment / "validated.json").unlink(missing_ok=True)
    shutil.rmtree(experiment / "validation", ignore_errors=True)
    (experiment / "models" / "net_g_best.json").unlink(missing_ok=True)


def state_of(folder, iteration, name="tiny"):
    """Read a training state as a resumed run does."""
    return torch.load(folder / "experiments" / name / "training_states" / f"{iteration}.state", weights_only=True)


__all__ = ["EDSR", "SEGSR", "cropping_options", "cut_off_after", "network", "state_of", "train"]
