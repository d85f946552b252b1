import copy
import re

import pytest
import torch

from tests.cli.runs import losses, network
from tests.training.runs import EDSR, cropping_options, cut_off_after, state_of, train


def logged(folder):
    """The newest log of a run."""
    return max((folder / "experiments/tiny").glob("train_*.log"), key=lambda path: path.stat().st_mtime_ns).read_text()


def rates(log):
    """Learning rate by iteration."""
    return {int(found[1]): float(found[2]) for found in re.finditer(r"iter:\s*(\d+), lr:\((\S+?),\)", log)}


def edited(opt, **changes):
    """A copy of options with changes such as ``train__optim_g__lr``."""
    opt = copy.deepcopy(opt)
    for path, value in changes.items():
        *sections, key = path.split("__")
        section = opt
        for name in sections:
            section = section[name]
        section[key] = value
    return opt


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """A run that was killed after iteration 5, and its options."""
    opt = cropping_options(tmp_path, iterations=6)
    assert train(tmp_path, monkeypatch, opt) == 0
    cut_off_after(tmp_path, 5)
    for log in (tmp_path / "experiments/tiny").glob("train_*.log"):
        log.unlink()
    return tmp_path, opt


COSINE = {"type": "CosineAnnealingRestartLR", "periods": [20], "eta_min": 1e-5}


@pytest.mark.parametrize(
    "changes",
    [
        {"train__optim_g__lr": 1e-5},
        {"train__scheduler__milestones": [4, 7], "train__scheduler__gamma": 0.1},
        {"train__scheduler": COSINE, "train__warmup_iter": -1},
        {"train__warmup_iter": 8},
    ],
    ids=["lr", "milestones", "scheduler", "warm-up"],
)
def test_an_edited_schedule_is_that_of_a_run_that_had_it_from_the_beginning(stopped, monkeypatch, changes):
    folder, opt = stopped
    opt = edited(opt, train__total_iter=10, **changes)
    assert train(folder, monkeypatch, opt, "--auto_resume") == 0
    log = logged(folder)
    resumed = rates(log)
    assert list(resumed) == [6, 7, 8, 9, 10]
    assert "train:total_iter 6 -> 10 takes effect from iteration 6" in log
    assert train(folder, monkeypatch, {**opt, "name": "whole"}) == 0
    whole = rates(next((folder / "experiments/whole").glob("train_*.log")).read_text())
    assert resumed == {iteration: whole[iteration] for iteration in resumed}
    if "train__optim_g__lr" in changes:
        assert "train:optim_g:lr 0.001 -> 1e-05 takes effect from iteration 6" in log and max(resumed.values()) < 1e-5


def test_a_schedule_that_is_followed_again_gives_the_very_rates_of_one_that_was_kept(stopped, monkeypatch):
    """Another weight decay has the schedule followed from the beginning; rates are equal to the last bit."""
    folder, opt = stopped
    kept = state_of(folder, 5)
    opt = edited(opt, train__optim_g__weight_decay=0.1, logger__save_checkpoint_freq=6)
    assert train(folder, monkeypatch, opt, "--auto_resume") == 0
    group, before = state_of(folder, 6)["optimizers"][0]["param_groups"][0], kept["optimizers"][0]["param_groups"][0]
    assert group["weight_decay"] == 0.1 and before["weight_decay"] == 0
    assert (group["initial_lr"], group["lr"]) == (before["initial_lr"], before["lr"] * 0.5)  # a milestone at 5


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"train__optim_g": {"type": "SGD", "lr": 1e-3}}, ["train:optim_g:type Adam -> SGD"]),
        ({"train__optim_g__amsgrad": True}, ["train:optim_g:amsgrad (not given) -> True"]),
        ({"network_g__num_feat": 8}, ["network_g:num_feat 4 -> 8"]),
        ({"network_g": {"type": "MSRResNet", "num_feat": 4, "upscale": 2}}, ["network_g:type EDSR -> MSRResNet"]),
    ],
)
def test_what_cannot_take_effect_is_refused_before_anything_is_touched(stopped, monkeypatch, capfd, changes, refused):
    folder, opt = stopped
    before = sorted(folder.rglob("*"))
    assert train(folder, monkeypatch, edited(opt, **changes), "--auto_resume") == 2
    message = capfd.readouterr().err
    assert "5.state cannot be resumed" in message and "begin a new run" in message and "Traceback" not in message
    assert all(text in message for text in refused)
    assert sorted(folder.rglob("*")) == before


def test_what_takes_effect_at_once_is_said(stopped, monkeypatch):
    folder, opt = stopped
    changes = {
        "datasets__train__gt_size": 24,
        "datasets__train__batch_size_per_gpu": 1,
        "manual_seed": 3,
        "train__ema_decay": 0,
        "train__amp": "bf16",
        "train__pixel_opt__loss_weight": 0.5,
        "network_g__res_scale": 0.5,
        "val": {"val_freq": 100, "save_img": False},
        "datasets__train__num_worker_per_gpu": 1,
    }
    assert train(folder, monkeypatch, edited(opt, logger__save_checkpoint_freq=6, **changes), "--auto_resume") == 0
    log = logged(folder)
    said = re.findall(r"INFO: (\S+) (.+) -> (.+) takes effect from iteration 6", log)
    assert said == [
        ("datasets:train:batch_size_per_gpu", "2", "1"),
        ("datasets:train:gt_size", "16", "24"),
        ("manual_seed", "1", "3"),
        ("network_g:res_scale", "(not given)", "0.5"),
        ("train:amp", "(not given)", "bf16"),
        ("train:ema_decay", "0.9", "0"),
        ("train:pixel_opt:loss_weight", "(not given)", "0.5"),
    ]
    assert {kind for kind, _ in network(folder, "6")} == {"params"}
    assert state_of(folder, 6)["order"]["seen"] == state_of(folder, 5)["order"]["seen"] + 1


def test_other_images_take_effect_and_their_order_cannot_be_exact(stopped, monkeypatch):
    folder, opt = stopped
    for name in ("HR", "LR"):
        (folder / name / "im6.png").rename(folder / name / "new.png")
    assert train(folder, monkeypatch, opt, "--auto_resume") == 0
    assert re.search(r"WARNING.*not exactly.*other names than they had, so the epoch begins again", logged(folder))


@pytest.mark.parametrize("model_type", ["SeGSRModel", "SRModel"])
def test_a_state_of_stock_basicsr_goes_on_and_says_what_is_not_known(stopped, monkeypatch, model_type):
    folder, opt = stopped
    path = folder / "experiments/tiny/training_states/5.state"
    state = state_of(folder, 5)
    torch.save({key: state[key] for key in ("epoch", "iter", "optimizers", "schedulers")}, path)
    opt = edited(opt, train__optim_g__lr=1e-5, model_type=model_type)
    assert train(folder, monkeypatch, opt, "--auto_resume") == 0
    log = logged(folder)
    assert "does not say with which options it was trained" in log and "not exactly" in log
    assert rates(log)[6] == pytest.approx(1e-5 * 2 / 3 * 0.5, rel=1e-3), "warm-up of 3, milestone at 5"
    assert list(losses(folder)) == [6]


def test_states_hold_plain_values_alone(stopped):
    folder, opt = stopped
    options = state_of(folder, 5)["options"]
    assert options["network_g"] == EDSR and options["train"]["optim_g"] == {"type": "Adam", "lr": 1e-3}
    assert options["train"]["scheduler"]["type"] == "MultiStepLR" and options["num_gpu or processes"] == 1
    assert not options.keys() & {"path", "val", "logger", "name", "dist", "rank"}


def test_a_finished_run_says_that_nothing_is_left(stopped, monkeypatch):
    folder, opt = stopped
    assert train(folder, monkeypatch, edited(opt, train__total_iter=4), "--auto_resume") == 0
    log = logged(folder)
    assert "iteration 5 and train: total_iter is 4: nothing is left to train" in log and rates(log) == {}
