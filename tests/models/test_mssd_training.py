"""MSSD under its model class: a resumed training is bit-equal, and shares of an evaluation are parts of the whole."""

import copy

import pytest
import torch
from basicsr.data import build_dataloader, build_dataset
from basicsr.models import build_model

from segsr_arch.errors import ConfigError
from segsr_arch.models.diffusion_model import DiffusionModel
from segsr_arch.models.validation import validate
from tests.models.tiny import batch, tiny_options
from tests.support import TINY_MSSD

MSSD = {**TINY_MSSD, "type": "MSSD", "scale": 2, "contrast": {"queue": 6, "dimension": 8, "momentum": 0.9}}
NAMES = [f"im{index}" for index in range(5)]


def options_of(root, *, network=MSSD, **more):
    train = {"pixel_opt": None, "ema_decay": 0.5, "optim_g": {"type": "AdamW", "lr": 1e-2}, "grad_clip": 1.0}
    root.mkdir(exist_ok=True)
    options = tiny_options(root, network=copy.deepcopy(network), model_type="DiffusionModel", train=train, **more)
    options["datasets"].get("train", {})["dataset_enlarge_ratio"] = 2
    return options


def build(options):
    torch.manual_seed(0)
    return build_model(options)


def step(model, *iterations):
    """Train on crops that depend on the iteration alone."""
    for iteration in iterations:
        names = [f"data/{iteration}_{index}.png" for index in range(2)]
        model.update_learning_rate(iteration)
        model.feed_data(batch(iteration, count=2) | {"gt_path": names, "caption": ["from blurred to clear roofs", ""]})
        model.optimize_parameters(iteration)
    return model


def test_a_resumed_training_is_bit_equal_in_parameters_average_queue_and_momentum_encoder(tmp_path):
    network = {**MSSD, "contrast": {**MSSD["contrast"], "queue": 3}}  # the data set has five images
    whole = step(build(options_of(tmp_path / "whole", network=network)), 1, 2, 3)
    options = options_of(tmp_path / "cut", network=network)
    cut = step(build(copy.deepcopy(options)), 1)
    cut.save(0, 1)
    options["path"] |= {
        "resume_state": str(tmp_path / "cut/training_states/1.state"),
        "pretrain_network_g": str(tmp_path / "cut/models/net_g_1.pth"),
    }
    torch.manual_seed(99)
    resumed = build_model(options)
    resumed.resume_training(torch.load(options["path"]["resume_state"], weights_only=True))
    step(resumed, 2, 3)
    for name in ("net_g", "net_g_ema"):
        expected, got = (getattr(model, name).state_dict() for model in (whole, resumed))
        assert expected.keys() == got.keys()
        assert all(torch.equal(value, got[key]) for key, value in expected.items()), name
    states = [model.optimizer_g.state_dict()["state"] for model in (whole, resumed)]
    assert all(torch.equal(states[0][key]["exp_avg"], states[1][key]["exp_avg"]) for key in states[0])
    memory, before = whole.net_g.contrast, cut.net_g.contrast
    assert memory.queue.norm(dim=1).min() > 0.99 and memory.place == 0 != before.place
    for one, other in zip(memory.key_encoder.parameters(), before.key_encoder.parameters(), strict=True):
        if one.ndim > 1 and one.any():
            assert not torch.equal(one, other), "it followed after the cut"
    stored = torch.load(options["path"]["pretrain_network_g"], weights_only=True)
    assert any(key.startswith("contrast.") for key in stored["params"])
    assert not any(key.startswith("contrast.") for key in stored["params_ema"])


@pytest.mark.parametrize("parts", [1, 2])
def test_the_momentum_encoder_follows_once_an_iteration_in_however_many_parts_it_is_computed(tmp_path, parts):
    options = options_of(tmp_path, network={**MSSD, "contrast": {**MSSD["contrast"], "queue": 3}})
    options["train"]["accumulate"] = parts
    model = step(build(options), 1)
    contrast = model.net_g.contrast
    trained, before = (copy.deepcopy(head) for head in (contrast.query_head, contrast.key_head))
    step(model, 2)
    moved = False
    for now, old, led in zip(*(head.parameters() for head in (contrast.key_head, before, trained)), strict=True):
        torch.testing.assert_close(now, old + (1 - 0.9) * (led - old), rtol=1e-4, atol=1e-8)
        moved = moved or not torch.equal(now, old)
    assert moved


def test_two_ranks_sample_of_their_shares_what_one_process_samples(tmp_path, monkeypatch):
    model = build(options_of(tmp_path, network={**MSSD, "contrast": None}, is_train=False))
    torch.nn.init.normal_(model.net_g.unet.stem.leave.weight)  # so that the LR image is heard
    data = model.opt["datasets"]["val"]
    loader = build_dataloader(build_dataset(data), data, num_gpu=0, dist=False, sampler=None, seed=0)
    sampled = {}
    test = model.test

    def kept():
        test()
        sampled[model.names[0].rpartition("/")[2], model.opt["rank"], model.opt["world_size"]] = model.output

    monkeypatch.setattr(model, "test", kept)
    values = {}
    for rank, ranks in ((0, 1), (1, 2), (0, 2)):
        monkeypatch.setitem(model.opt, "rank", rank)
        monkeypatch.setitem(model.opt, "world_size", ranks)
        for image in validate(model, loader, "tiny", False).images:
            values[image.row.name, ranks] = image.row.values["psnr"]
    assert len(sampled) == 10
    for place, name in enumerate(NAMES):
        alone, shared = sampled[f"{name}.png", 0, 1], sampled[f"{name}.png", place % 2, 2]
        assert (alone - shared).abs().max() < 1e-5
        assert values[name, 1] == pytest.approx(values[name, 2], abs=1e-4)
    assert (sampled["im0.png", 0, 1] - sampled["im1.png", 0, 1]).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("sampler", "steps", "message"),
    [
        ({"steps": 2}, 5000, "val: sampler_steps: at most the 1000 of the schedule, got 5000"),
        ({"type": "lcm", "steps": 4}, 60, "val: sampler_steps: lcm takes at most 50"),
    ],
)
def test_steps_of_validations_are_checked_before_the_training(tmp_path, sampler, steps, message):
    options = options_of(tmp_path, network={**MSSD, "sampler": sampler, "contrast": None})
    for allowed in (50, None):
        options["val"]["sampler_steps"] = allowed
        DiffusionModel.check_options(options)
    options["val"]["sampler_steps"] = steps
    with pytest.raises(ConfigError, match=message):
        DiffusionModel.check_options(options)
