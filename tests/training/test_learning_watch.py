"""Trainings of a small EDSR, in either model class, that learn nothing for a reason."""

import logging
import re

import pytest
import torch
from basicsr.models import build_model
from basicsr.utils.registry import LOSS_REGISTRY

from segsr_arch.errors import ConfigError, DivergenceError
from segsr_arch.models.divergence import SMALLEST_SCALE
from tests.models.tiny import batch, tiny_options
from tests.training.runs import EDSR


class Unmoved(torch.nn.Module):
    """A loss that depends on the network's output in its gradient alone."""

    def forward(self, prediction, target):
        return (prediction - prediction.detach()).sum() + 1.25


@pytest.fixture
def unmoved(monkeypatch):
    monkeypatch.setitem(LOSS_REGISTRY._obj_map, "Unmoved", Unmoved)


def build(root, model_type="SeGSRModel", **train):
    torch.manual_seed(0)
    return build_model(tiny_options(root, model_type=model_type, network=dict(EDSR), train=train))


def warnings_of(model, caplog, iterations, first=1):
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="segsr_arch"):
        for iteration in range(first, first + iterations):
            model.update_learning_rate(iteration)
            model.feed_data(batch(iteration, 1))
            model.optimize_parameters(iteration)
    return [record.getMessage() for record in caplog.records if "Nothing was learned" in record.getMessage()]


STOPPED = {"type": "MultiStepLR", "milestones": [90], "gamma": 0}


@pytest.mark.parametrize("model_type", ["SRModel", "SeGSRModel"])
@pytest.mark.parametrize(
    ("train", "told_at", "cause"),
    [
        ({"optim_g": {"type": "Adam", "lr": 0.0}}, 100, "learning rate was 0"),
        ({"scheduler": STOPPED}, 200, "learning rate was 0 .*gamma: 0"),
        ({"pixel_opt": {"type": "L1Loss", "loss_weight": 0.0}}, 100, "gradients are zero.*loss_weight"),
        ({"pixel_opt": {"type": "Unmoved"}}, 100, "loss is the same number"),
    ],
    ids=["rate", "schedule", "gradient", "loss"],
)
def test_a_cause_is_told_once_after_a_hundred_iterations(tmp_path, caplog, unmoved, model_type, train, told_at, cause):
    model = build(tmp_path, model_type, **train)
    assert warnings_of(model, caplog, told_at - 1) == []
    told = warnings_of(model, caplog, 1, told_at)
    assert len(told) == 1 and f"to {told_at}: " in told[0]
    assert re.search(cause, told[0])
    assert warnings_of(model, caplog, 100, told_at + 1) == []


@pytest.mark.parametrize("model_type", ["SRModel", "SeGSRModel"])
def test_a_training_that_learns_is_not_warned_of(tmp_path, caplog, model_type):
    model = build(tmp_path, model_type, lora_lr_factor=0.0)
    assert warnings_of(model, caplog, 200) == []


def test_gradients_that_a_model_clears_after_its_step_have_been_there(tmp_path, caplog):
    model = build(tmp_path, "SRModel")
    step = model.optimizer_g.step
    model.optimizer_g.step = lambda: (step(), model.optimizer_g.zero_grad())
    assert warnings_of(model, caplog, 100) == []


def test_steps_that_are_never_taken_are_told(tmp_path, caplog):
    model = build(tmp_path, "SRModel")
    model.optimizer_g.step = lambda: None
    (told,) = warnings_of(model, caplog, 100)
    assert "no step was taken" in told and "fp16" in told


def test_losses_are_looked_at_every_hundredth_iteration_only(tmp_path, monkeypatch):
    """On a GPU each look waits for it."""
    model = build(tmp_path)
    looks, bool_of = [], torch.Tensor.__bool__
    monkeypatch.setattr("segsr_arch.models.training_model.stop_unless_finite", lambda *_arguments, **_options: None)
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda tensor: looks.append(model.trained_iter) or bool_of(tensor))
    for name in ("item", "tolist", "__float__"):
        read = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor, name, lambda tensor, read=read: looks.append(model.trained_iter) or read(tensor)
        )
    for iteration in range(1, 206):
        model.feed_data(batch(iteration, 1))
        model.optimize_parameters(iteration)
    assert set(looks) == {100, 200}


@pytest.mark.parametrize("model_type", ["SRModel", "SeGSRModel"])
def test_nothing_to_train_is_a_sentence(tmp_path, monkeypatch, model_type):
    with pytest.raises(ConfigError, match="There is nothing to train"):
        build_model(tiny_options(tmp_path, model_type=model_type, network={"type": "Bicubic", "upscale": 2}))


def test_fp16_whose_every_step_is_skipped_stops_with_the_cause(tmp_path):
    model = build(tmp_path, amp="fp16")
    weight = model.net_g.conv_first.weight
    start = weight.detach().clone()
    weight.register_hook(lambda gradient: gradient * float("inf"))
    scales = []
    with pytest.raises(DivergenceError, match="fp16 learns nothing.*each was skipped.*loss scale has fallen.*bf16"):
        for iteration in range(1, 101):
            model.feed_data(batch(iteration, 1))
            model.optimize_parameters(iteration)
            scales.append(model.scaler.get_scale())
    assert scales == [2.0**power for power in range(15, -15, -1)] and scales[-1] == SMALLEST_SCALE
    assert torch.equal(weight, start)


def test_fp16_with_a_few_skipped_steps_goes_on(tmp_path):
    model = build(tmp_path, amp="fp16")
    weight = model.net_g.conv_first.weight
    start, hook = weight.detach().clone(), weight.register_hook(lambda gradient: gradient * float("inf"))
    for iteration in range(1, 30):
        if iteration == 20:
            hook.remove()
        model.feed_data(batch(iteration, 1))
        model.optimize_parameters(iteration)
    assert model.scaler.get_scale() == 2.0**-3 and not torch.equal(weight, start)
