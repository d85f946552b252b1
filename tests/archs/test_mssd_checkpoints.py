"""Checkpoints of MSSD hold what was trained, and say beside what."""

import json

import pytest
import torch

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.errors import CheckpointError
from segsr_arch.models.ema import MovingAverage
from tests.support import TINY_DIFFUSION, TINY_MSSD

CONTRAST = {"queue": 4, "dimension": 8, "feature": "stem"}


def build(seed=0, **changes):
    torch.manual_seed(seed)
    return MSSD(**{**TINY_MSSD, "scale": 2, **changes})


def test_a_checkpoint_holds_what_was_trained_and_no_more():
    frozen = build(trained=["controlnet"]).state_dict()
    assert {name.split(".")[1] for name in frozen if name != "_extra_state"} == {"stem", "control"}
    trained = build().state_dict()
    added = set(trained) - set(frozen)
    assert added and all(name.startswith("unet.parts.models.unet.") for name in added)


def test_a_network_with_its_checkpoint_samples_what_it_did_with_or_without_the_contrastive_loss():
    first, lq = build(contrast=CONTRAST).eval(), torch.rand(1, 3, 4, 4)
    torch.nn.init.normal_(first.unet.stem.leave.weight)
    for other in (build(1, contrast=CONTRAST).eval(), build(1).eval()):
        other.load_state_dict(first.state_dict())
        with torch.no_grad():
            assert torch.equal(other(lq, ["a"]), first(lq, ["a"]))


def test_the_memory_of_the_contrastive_loss_is_no_part_of_the_average_and_begins_anew_with_it():
    """A checkpoint has it once, in ``params``."""
    network = build(contrast=CONTRAST)
    moving = MovingAverage(network)
    with torch.no_grad():
        network.unet.stem.leave.weight.add_(1.0)
        network.contrast.queue.normal_()
    moving.update(0.5)
    whole, average = network.state_dict(), moving.network.state_dict()
    assert {name for name in whole if name not in average} == {name for name in whole if name.startswith("contrast.")}
    added = average["unet.stem.leave.weight"] - whole["unet.stem.leave.weight"]
    torch.testing.assert_close(added, torch.full_like(added, -0.5))
    moving.network.load_state_dict(whole)  # as files had it in both entries
    assert torch.equal(moving.network.state_dict()["unet.stem.leave.weight"], whole["unet.stem.leave.weight"])

    other = build(1, contrast=CONTRAST)
    other.load_state_dict(whole)
    assert torch.equal(other.contrast.queue, network.contrast.queue)
    other.load_state_dict(average)
    memory = other.contrast
    assert not memory.queue.any() and memory.ids.eq(-1).all() and memory.place == 0
    assert torch.equal(memory.key_encoder.stem.leave.weight, average["unet.stem.leave.weight"])
    broken = {name: value for name, value in average.items() if name != "unet.stem.leave.weight"}
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict(broken)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": "none"}, "base bicubic in the file, none here"),
        ({"scale": 4}, "scale 2 in the file, 4 here"),
        ({"trained": ["controlnet"]}, "trained .* in the file"),
        ({"stable_diffusion": {**TINY_DIFFUSION, "seed": 1}}, r"random\(0\) \(digest .*random\(1\)"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(changes, message):
    state = build().state_dict()
    with pytest.raises(CheckpointError, match=message):
        build(**changes).load_state_dict(state)


LINEAR = {"prediction_type": "v_prediction", "beta_schedule": "linear"}


def of_before(state):
    """A checkpoint as it was written before the schedule was."""
    said = json.loads(bytes(state["_extra_state"].tolist()))
    for name in ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type"):
        del said[name]
    return {
        **state,
        "_extra_state": torch.frombuffer(bytearray(json.dumps(said).encode().ljust(1024)), dtype=torch.uint8),
    }


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({}, "another network: prediction_type v_prediction in the file, epsilon here. Correct"),
        (LINEAR, "another network: beta_schedule scaled_linear in the file, linear here. Correct"),
        ({**TINY_DIFFUSION["schedule"], "beta_end": 0.02}, r"beta_end 0\.012 in the file, 0\.02 here"),
        ({**TINY_DIFFUSION["schedule"], "num_train_timesteps": 500}, "num_train_timesteps 1000 in the file, 500 here"),
    ],
)
def test_a_checkpoint_of_another_noise_schedule_is_refused_where_it_says_so(schedule, message):
    state, changes = build().state_dict(), {"stable_diffusion": {**TINY_DIFFUSION, "schedule": schedule}}
    options = {"type": "MSSD", **TINY_MSSD, "scale": 2, **changes}
    with pytest.raises(CheckpointError, match=message):
        build(**changes).load_state_dict(state)
    with pytest.raises(CheckpointError, match=message):
        MSSD.check_checkpoint(options, state, True)
    build(**changes).load_state_dict(of_before(state))
    MSSD.check_checkpoint(options, of_before(state), True)
    defaults = {**TINY_DIFFUSION["schedule"], "beta_schedule": "scaled_linear", "beta_start": 0.00085}
    build(stable_diffusion={**TINY_DIFFUSION, "schedule": defaults}).load_state_dict(state)


def test_a_checkpoint_is_compared_with_options_before_anything_is_built():
    options = {"type": "MSSD", **TINY_MSSD, "scale": 2}
    state = build().state_dict()
    MSSD.check_options(options)
    MSSD.check_checkpoint(options, state, True)
    with pytest.raises(CheckpointError, match=r"latent_std 0\.1 in the file, 0\.2 here"):
        MSSD.check_checkpoint({**options, "latent_std": 0.2}, state, True)
    with pytest.raises(CheckpointError, match="no checkpoint of a diffusion network"):
        MSSD.check_checkpoint(options, {"conv.weight": torch.zeros(1)}, True)
