"""VLDM under its model class: its first stage comes from its own checkpoint, and a resumed training is bit-equal."""

import copy

import torch
from basicsr.archs import build_network
from basicsr.models import build_model

from tests.models.test_mssd_training import build, options_of, step
from tests.support import TINY_PIXEL_DIFFUSION, TINY_VLDM


def test_a_resumed_training_on_a_first_stage_that_samples_is_bit_equal(tmp_path):
    stage = {"type": "PixelDiffusion", "scale": 2, **TINY_PIXEL_DIFFUSION}
    torch.manual_seed(7)
    torch.save({"params_ema": build_network(dict(stage)).state_dict()}, tmp_path / "stage.pth")
    network = {**TINY_VLDM, "type": "VLDM", "scale": 2, "base": {**stage, "path": str(tmp_path / "stage.pth")}}
    network["trained"] = ["controlnet"]
    whole = step(build(options_of(tmp_path / "whole", network=network)), 1, 2)
    options = options_of(tmp_path / "cut", network=network)
    step(build(copy.deepcopy(options)), 1).save(0, 1)
    options["path"] |= {
        "resume_state": str(tmp_path / "cut/training_states/1.state"),
        "pretrain_network_g": str(tmp_path / "cut/models/net_g_1.pth"),
    }
    torch.manual_seed(99)
    resumed = build_model(options)
    resumed.resume_training(torch.load(options["path"]["resume_state"], weights_only=True))
    step(resumed, 2)
    for name in ("net_g", "net_g_ema"):
        expected, got = (getattr(model, name).state_dict() for model in (whole, resumed))
        assert expected.keys() == got.keys() and not any("first_stage" in key for key in expected)
        assert all(torch.equal(value, got[key]) for key, value in expected.items()), name
    assert whole.net_g.first_stage.identity.source == "stage.pth"
    assert whole.get_current_log().keys() == {"l_noise"}
