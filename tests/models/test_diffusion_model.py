import copy
import logging

import numpy as np
import pytest
import torch
import torch.distributed as dist
from basicsr.data import build_dataloader, build_dataset
from basicsr.models import build_model
from basicsr.utils import get_root_logger
from torch.nn.parallel import DistributedDataParallel

from segsr_arch.errors import ConfigError
from segsr_arch.models.diffusion_model import DiffusionModel
from segsr_arch.models.draws import Draws
from tests.models.sampling_network import SamplingNetwork
from tests.models.tiny import batch, tiny_options
from tests.training.runs import cropping_options, cut_off_after, network, train

NETWORK = {"type": "SamplingNetwork", "scale": 2}
CAPTIONS = [f"from blurred to clear roofs of house {number}" for number in range(4)]


@pytest.fixture(autouse=True)
def asked():
    SamplingNetwork.asked.clear()
    return SamplingNetwork.asked


def options_of(root, *, train=None, val=None, **more):
    options = tiny_options(
        root, network=dict(NETWORK), model_type="DiffusionModel", train={"pixel_opt": None, **(train or {})}, **more
    )
    options["val"] |= val or {}
    return options


def build(root, **more):
    torch.manual_seed(0)
    return build_model(options_of(root, **more))


def fed(seed, *, captions=True):
    names = [f"data/{seed}_{index}.png" for index in range(4)]
    return batch(seed) | {"gt_path": names} | ({"caption": list(CAPTIONS)} if captions else {})


def step(model, iteration, **what):
    model.update_learning_rate(iteration)
    model.feed_data(fed(iteration, **what))
    model.optimize_parameters(iteration)
    return model


def val_loader(model):
    options = model.opt["datasets"]["val"]
    return build_dataloader(build_dataset(options), options, num_gpu=0, dist=False, sampler=None, seed=0)


def test_losses_are_named_and_their_sum_is_what_is_trained(tmp_path):
    model = build(tmp_path, train={"optim_g": {"type": "SGD", "lr": 0.1}, "ema_decay": 0})
    by_hand = copy.deepcopy(model.net_g)
    step(model, 1)
    data = fed(1)
    losses = by_hand.training_losses(
        data["lq"], data["gt"], image_ids=torch.zeros(4, dtype=torch.int64), draw=Draws(seed=0, keys=(1, 0, 0))
    )
    sum(losses.values()).backward()
    assert model.get_current_log() == {name: pytest.approx(loss.item()) for name, loss in losses.items()}
    moved = by_hand.body.weight - 0.1 * by_hand.body.weight.grad
    torch.testing.assert_close(model.net_g.body.weight, moved)


def test_each_part_of_a_batch_has_its_images_its_captions_and_its_noise(tmp_path, asked):
    step(build(tmp_path, train={"accumulate": 2, "caption_dropout": 0.0}), 1)
    first, second = asked
    assert first["captions"] == CAPTIONS[:2] and second["captions"] == CAPTIONS[2:]
    assert len({*first["ids"].tolist(), *second["ids"].tolist()}) == 4
    assert not torch.equal(first["noise"], second["noise"])


def test_half_of_the_captions_are_left_out_each_step_anew(tmp_path, asked):
    model = build(tmp_path)
    for iteration in range(1, 101):
        step(model, iteration)
    left_out = np.array([[text == "" for text in call["captions"]] for call in asked])
    assert 0.42 < left_out.mean() < 0.58
    assert left_out.any(axis=1).mean() > 0 and len({tuple(row) for row in left_out}) > 8
    asked.clear()
    step(model, 101, captions=False)
    assert asked[0]["captions"] is None


def test_noise_depends_on_seed_iteration_process_and_part_and_on_nothing_drawn_before():
    noise = Draws(seed=3, keys=(7, 0, 1))("noise", (2, 5))
    torch.rand(9)
    assert torch.equal(Draws(seed=3, keys=(7, 0, 1))("noise", (2, 5)), noise)
    for seed, keys in ((4, (7, 0, 1)), (3, (8, 0, 1)), (3, (7, 1, 1)), (3, (7, 0, 0))):
        assert not torch.equal(Draws(seed=seed, keys=keys)("noise", (2, 5)), noise)
    t = Draws(seed=3, keys=(7, 0, 1))("t", (20000,))
    assert 0 <= t.min() < 0.01 and 0.99 < t.max() < 1 and abs(t.mean() - 0.5) < 0.01
    many = Draws(seed=3, keys=(7, 0, 1))("noise", (20000,))
    assert abs(many.mean()) < 0.03 and abs(many.std() - 1) < 0.03


def test_a_resumed_training_is_bit_equal_in_weights_average_and_queue(tmp_path):
    train = {"accumulate": 2, "grad_clip": 1.0, "amp": "bf16", "optim_g": {"type": "AdamW", "lr": 1e-2}}
    whole = build(tmp_path / "whole", train=train) if (tmp_path / "whole").mkdir() is None else None
    for iteration in range(1, 6):
        step(whole, iteration)
    options = options_of(tmp_path, train=train)
    torch.manual_seed(0)
    cut = build_model(copy.deepcopy(options))
    for iteration in (1, 2):
        step(cut, iteration)
    cut.save(0, 2)
    options["path"] |= {
        "resume_state": str(tmp_path / "training_states/2.state"),
        "pretrain_network_g": str(tmp_path / "models/net_g_2.pth"),
    }
    torch.manual_seed(99)
    resumed = build_model(options)
    resumed.resume_training(torch.load(tmp_path / "training_states/2.state", weights_only=True))
    for iteration in range(3, 6):
        step(resumed, iteration)
    for name in ("net_g", "net_g_ema"):
        expected, got = (getattr(model, name).state_dict() for model in (whole, resumed))
        assert expected.keys() == got.keys() >= {"queue", "ids"}
        assert all(torch.equal(value, got[key]) for key, value in expected.items())
    assert whole.net_g.queue.abs().min() > 0 and whole.net_g_ema.body.weight.dtype == torch.float32
    assert not torch.equal(whole.net_g.body.weight, cut.net_g.body.weight)


def test_a_validation_samples_few_images_in_few_steps_and_says_so(tmp_path, asked, caplog, monkeypatch):
    monkeypatch.setattr(get_root_logger(), "propagate", True)
    model = build(tmp_path, val={"sampler_steps": 2, "images": 2})
    with caplog.at_level(logging.INFO, logger="basicsr"):
        model.validation(val_loader(model), 1, None, False)
    assert "made_val: samples 2 of 5 images in 2 steps each, from noise of seed 0" in caplog.text
    assert [call["steps"] for call in asked] == [2, 2] and not any(call["training"] for call in asked)
    first = copy.copy(model.metric_results)
    seeds = [call["seed"] for call in asked]
    assert len(set(seeds)) == 2, "each image has noise of its own"
    model.validation(val_loader(model), 2, None, False)
    assert model.metric_results == first and [call["seed"] for call in asked[2:]] == seeds
    other = build(tmp_path, val={"sampler_steps": 2, "images": 2, "seed": 1})
    other.validation(val_loader(other), 1, None, False)
    assert other.metric_results != first


def test_a_test_samples_all_images_as_the_network_says(tmp_path, asked):
    model = build(tmp_path, is_train=False, val={"sampler_steps": 2, "images": 2})
    model.validation(val_loader(model), "tiny", None, False)
    assert [call["steps"] for call in asked] == [4] * 5


def test_a_run_that_is_killed_and_resumed_ends_as_one_that_is_not(tmp_path, monkeypatch):
    """By the command, with crops and flips, in the middle of an epoch, a validation between."""
    opt = cropping_options(tmp_path, model_type="DiffusionModel", network_g=NETWORK, val_freq=4)
    del opt["train"]["pixel_opt"]
    assert train(tmp_path, monkeypatch, opt) == 0
    whole = network(tmp_path, "latest")
    cut_off_after(tmp_path, 5)
    assert train(tmp_path, monkeypatch, opt, "--auto_resume") == 0
    resumed, before = network(tmp_path, "latest"), network(tmp_path, 5)
    assert whole.keys() == resumed.keys() >= {("params", "queue"), ("params_ema", "body.weight")}
    assert all(np.array_equal(value, resumed[name]) for name, value in whole.items())
    assert not np.array_equal(whole["params", "queue"], before["params", "queue"])


def test_under_a_launcher_the_wrapper_that_exchanges_gradients_computes_the_losses(tmp_path):
    model = step(build(tmp_path), 1)
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        wrapped = build(tmp_path)
        wrapped.net_g, seen = DistributedDataParallel(wrapped.net_g), []
        wrapped.net_g.register_forward_hook(lambda *_: seen.append("exchanged"))
        step(wrapped, 1)
    finally:
        dist.destroy_process_group()
    assert seen == ["exchanged"] and wrapped.get_current_log() == model.get_current_log()
    torch.testing.assert_close(wrapped.net_g.module.body.weight, model.net_g.body.weight)
    assert "forward" not in vars(wrapped.net_g.module)


class Board:
    def __init__(self):
        self.images = {}

    def add_image(self, tag, image, iteration, dataformats):
        self.images[tag] = np.asarray(image)

    def add_scalar(self, *_):
        pass


def test_tensorboard_shows_samples_of_other_seeds_side_by_side(tmp_path):
    model, board = build(tmp_path, val={"tensorboard_images": 1, "samples": 3}), Board()
    model.validation(val_loader(model), 1, board, False)
    strip = board.images["made_val/im0/samples"]
    assert strip.shape == (32, 96, 3) and strip.dtype == np.uint8
    assert not np.array_equal(strip[:, :32], strip[:, 32:64])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": {"pixel_opt": {"type": "L1Loss"}}}, "pixel_opt: a loss between images is none"),
        ({"train": {"caption_dropout": 1.5}}, "train: caption_dropout: must be a number"),
        ({"train": {"compile": True}}, "train: compile: is not made"),
        ({"val": {"sampler_steps": 0}}, "val: sampler_steps: must be a whole number of at least 1"),
        ({"tile": {"size": 16, "overlap": 4}}, "tile: samples of tiles that are drawn apart do not fit"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_built(tmp_path, change, message):
    options = options_of(tmp_path)
    for key, value in change.items():
        options[key] = {**options.get(key, {}), **value}
    with pytest.raises(ConfigError, match=message):
        DiffusionModel.check_options(options)


def test_a_network_that_computes_no_losses_is_refused(tmp_path):
    options = options_of(tmp_path)
    options["network_g"] = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3}
    with pytest.raises(ConfigError, match=r"EDSR computes no losses of its own.*take a diffusion network such as MSSD"):
        DiffusionModel.check_options(options)
