"""Networks of full size have the parameters and multiply-accumulates that are known of them; nothing is computed."""

import pytest
import torch
from basicsr.archs import build_network

from segsr_arch.inference.cost import count_macs

TTST_AS_PUBLISHED = {"feed_forward": "mlp", "global_context": False}
# Name, arguments; millions of parameters at x2 and x4, GMACs of 64 x 64 LR pixels at x4.
SIZES = [
    ("TTST", {}, 18.22, 18.37, 85.0),
    ("TTST", TTST_AS_PUBLISHED, 18.22, 18.37, 85.0),
    ("MFGHMOE", {}, 23.14, 27.09, 127.9),
]


def outline(name, arguments, scale):
    with torch.device("meta"):
        return build_network({"type": name, "upscale": scale, **arguments})


@pytest.mark.parametrize(("name", "arguments", "x2", "x4", "gmacs"), SIZES)
def test_parameters_and_macs_are_within_three_percent_of_the_known_ones(name, arguments, x2, x4, gmacs, monkeypatch):
    for scale, millions in ((2, x2), (4, x4)):
        network = outline(name, arguments, scale)
        assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, rel=0.03)
    # Known of MFG-HMoE is what all of its experts cost.
    monkeypatch.setattr("torch.compiler.is_compiling", lambda: True)
    assert count_macs(network) / 1e9 == pytest.approx(gmacs, rel=0.03)


@pytest.mark.parametrize(
    ("name", "arguments", "x2"), [("TTST", TTST_AS_PUBLISHED, 18_218_843), ("MFGHMOE", {}, 23_144_725)]
)
def test_what_is_published_has_as_many_parameters_to_the_last(name, arguments, x2):
    assert sum(p.numel() for p in outline(name, arguments, 2).parameters()) == x2
