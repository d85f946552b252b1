"""Any network is trained by ``TrainingModel``; a subclass replaces the steps that it does in another way."""

import logging
from collections import OrderedDict

import pytest
import torch
from basicsr.data import build_dataloader, build_dataset
from basicsr.models import build_model
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY
from torch import nn

from segsr_arch.errors import ConfigError
from segsr_arch.models.segsr_model import SeGSRModel
from segsr_arch.models.training_model import TrainingModel
from tests.models.tiny import batch, tiny_options

EDSR = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 2, "img_range": 1.0}


class NoiseModel(TrainingModel):
    """Learns to take noise off and has no loss between images, as diffusion models have not."""

    @classmethod
    def check_losses(cls, train):
        if "noise_weight" not in train:
            raise ConfigError("train: needs noise_weight.")

    def build_losses(self):
        self.noise_weight = self.opt["train"]["noise_weight"]

    def compute_losses(self, lq, gt):
        with self.autocast():
            output = self.net_g(lq + 0.1)
        return OrderedDict(l_noise=self.noise_weight * (output.float() - gt).square().mean(), l_one=gt.new_ones(()))

    def super_resolve(self, lq):
        return self.tested_network(lq - 0.05).clamp(0, 1)


class HalfModel(TrainingModel):
    """Trains the network's tail at a tenth of the rate, and nothing else."""

    def parameter_groups(self, lr):
        return [{"params": list(self.net_g.conv_last.parameters()), "lr": lr / 10}]


def build(cls, root, **options):
    torch.manual_seed(0)
    return cls(tiny_options(root, network=dict(EDSR), **options))


def step(model, iteration):
    model.update_learning_rate(iteration)
    model.feed_data(batch(iteration))
    model.optimize_parameters(iteration)
    return model


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def val_loader(model):
    options = model.opt["datasets"]["val"]
    return build_dataloader(build_dataset(options), options, num_gpu=0, dist=False, sampler=None, seed=0)


@pytest.mark.parametrize("changes", [{}, {"amp": "bf16"}, {"grad_clip": 0.01, "accumulate": 2}])
def test_an_unguided_network_is_trained_as_by_the_model_for_guided_ones(tmp_path, caplog, monkeypatch, changes):
    monkeypatch.setattr(get_root_logger(), "propagate", True)
    with caplog.at_level(logging.INFO, logger="basicsr"):
        models = [build(cls, tmp_path, train=changes) for cls in (TrainingModel, SeGSRModel)]
    for iteration in (1, 2, 3):
        for model in models:
            step(model, iteration)
    plain, guided = (weights(model.net_g_ema) for model in models)
    assert all(torch.equal(value, guided[name]) for name, value in plain.items())
    logs = [line for line in caplog.messages if line.startswith("Network EDSR")]
    assert len(logs) == 2 and logs[0] == logs[1]
    assert models[0].get_current_log() == models[1].get_current_log()


def test_it_is_registered_and_knows_no_option_of_a_guide(tmp_path):
    options = tiny_options(tmp_path, network=dict(EDSR), model_type="TrainingModel")
    model = build_model(options)
    assert type(model) is TrainingModel is MODEL_REGISTRY.get("TrainingModel")
    of_a_guide = {"lora_lr_factor", "unit_penalty"}
    assert not of_a_guide & TrainingModel.option_keys["train"].keys()
    assert SeGSRModel.option_keys["train"].keys() == of_a_guide


def test_a_model_with_losses_and_images_of_its_own(tmp_path):
    train = {"noise_weight": 2.0, "pixel_opt": None, "accumulate": 2, "optim_g": {"type": "SGD", "lr": 0.01}}
    model = build(NoiseModel, tmp_path, train=train)
    before = weights(model.net_g)
    step(model, 1)
    # The same step by hand: the mean over parts of equal size is that over the batch.
    data = batch(1)
    other = build(NoiseModel, tmp_path, train=train).net_g
    loss = 2.0 * (other(data["lq"] + 0.1) - data["gt"]).square().mean()
    loss.backward()
    for name, parameter in other.named_parameters():
        expected = before[name] - 0.01 * parameter.grad
        torch.testing.assert_close(weights(model.net_g)[name], expected, atol=1e-6, rtol=1e-5)
    log = model.get_current_log()
    assert list(log) == ["l_noise", "l_one"]
    assert log["l_noise"] == pytest.approx(loss.item(), rel=1e-5) and log["l_one"] == pytest.approx(1)

    model.feed_data({"lq": data["lq"][:1]})
    model.test()
    with torch.no_grad():
        expected = model.net_g_ema(data["lq"][:1] - 0.05).clamp(0, 1)
    torch.testing.assert_close(model.output, expected)
    model.validation(val_loader(model), 1, None, False)
    assert 5 < model.metric_results["psnr"] < 60 and (tmp_path / "models/net_g_best.pth").is_file()


def test_its_state_is_resumed(tmp_path):
    train = {"noise_weight": 2.0, "pixel_opt": None}
    model = step(build(NoiseModel, tmp_path, train=train), 1)
    model.save(0, 1)
    state = torch.load(tmp_path / "training_states/1.state", weights_only=True)
    resumed = build(NoiseModel, tmp_path, train=train)
    resumed.load_network(resumed.net_g, str(tmp_path / "models/net_g_1.pth"))
    resumed.resume_training(state)
    for each in (model, resumed):
        step(each, 2)
    assert all(torch.equal(value, weights(resumed.net_g)[name]) for name, value in weights(model.net_g).items())


def test_what_its_losses_need_is_checked_before_anything_is_built(tmp_path):
    options = tiny_options(tmp_path, network=dict(EDSR))
    with pytest.raises(ConfigError, match="needs noise_weight"):
        NoiseModel.check_options(options)
    options["train"] |= {"pixel_opt": None}
    with pytest.raises(ConfigError, match="needs a loss: pixel_opt or perceptual_opt"):
        TrainingModel(options)


@pytest.mark.parametrize("count", [-1, 1.5, None])
def test_what_a_validation_would_refuse_is_refused_before_a_training(tmp_path, count):
    options = tiny_options(tmp_path, network=dict(EDSR))
    options["val"]["tensorboard_images"] = count
    with pytest.raises(ConfigError, match="val: tensorboard_images: must be a whole number"):
        TrainingModel(options)


def test_only_what_its_groups_hold_is_trained(tmp_path):
    model = build(HalfModel, tmp_path, train={"optim_g": {"type": "SGD", "lr": 0.1}, "grad_clip": 1e-3})
    before = weights(model.net_g)
    step(model, 1)
    moved = {name: (value - before[name]) for name, value in weights(model.net_g).items()}
    assert {name.partition(".")[0] for name, value in moved.items() if value.abs().max() > 0} == {"conv_last"}
    norm = nn.utils.get_total_norm([value for name, value in moved.items() if name.startswith("conv_last")])
    assert norm == pytest.approx(0.01 * 1e-3, rel=1e-2), "clipped among themselves"
