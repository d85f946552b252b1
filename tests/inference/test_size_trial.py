import pytest
import torch
from basicsr.archs import build_network
from torch import nn

import segsr_arch  # noqa: F401
from segsr_arch.capabilities import SizeRule
from segsr_arch.inference.size_trial import SizeTrial
from tests.support import TINY_HAT

SWIN = {"type": "SwinIR", "upscale": 2, "img_size": 24, "window_size": 6, "embed_dim": 12, "depths": [2]}
SWIN |= {"num_heads": [2], "upsampler": "pixelshuffledirect"}
RRDB = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "num_grow_ch": 4}
EDSR = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1}


class OneSize(nn.Linear):
    """Takes images of 10 x 10 pixels only."""

    def __init__(self):
        super().__init__(100, 100)

    def forward(self, lq):
        return super().forward(lq.flatten(2)).reshape(lq.shape)


class LargeKernel(nn.Conv2d):
    """Takes sides of at least 33 pixels."""

    def __init__(self):
        super().__init__(3, 3, 33)


class Looking(nn.Module):
    """Looks at values, which an outline of an image has not."""

    def forward(self, lq):
        return lq * float(lq.max())


@pytest.mark.parametrize(
    ("network", "rule"),
    [
        (SWIN, SizeRule(multiple=6)),
        ({**RRDB, "scale": 4}, SizeRule()),
        ({**RRDB, "scale": 2}, SizeRule(multiple=2)),
        ({**RRDB, "scale": 1}, SizeRule(multiple=4)),
        (EDSR, SizeRule()),
        ({"type": "HAT_segsr", **TINY_HAT}, SizeRule()),
        ({"type": "Bicubic"}, SizeRule()),
        (LargeKernel, SizeRule(minimum=33)),
        (OneSize, None),
        (Looking, None),
    ],
)
def test_rule(network, rule):
    network = build_network(network) if isinstance(network, dict) else network()
    assert SizeTrial(network).find_rule(8) == rule


def test_rule_is_what_the_network_really_takes():
    network = build_network(SWIN).eval()
    rule = SizeTrial(network).find_rule(8)
    for side in (10, 12, 15, 18):
        taken = True
        try:
            network(torch.rand(1, 3, side, 12))
        except RuntimeError:
            taken = False
        assert rule.holds(side, 12) is taken


def test_the_network_is_not_changed():
    network = build_network(EDSR).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    SizeTrial(network).find_rule(8)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_network_of_one_size_takes_that_size():
    trial = SizeTrial(OneSize())
    assert trial.takes(10, 10) and not trial.takes(10, 11)


def test_sides_that_a_rule_proposes():
    rule = SizeRule(multiple=8, minimum=16)
    assert rule.nearest(20) == (16, 24)
    assert rule.nearest(9) == (16,)
    assert str(rule) == "multiples of 8 and at least 16 pixels"
