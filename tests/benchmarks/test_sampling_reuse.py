"""``benchmarks/sampling_reuse.py``: what it compares, and what it says a step costs that is taken over."""

import math

import cv2
import pytest
import torch
from sampling_reuse import Comparison, draw, table, with_gain

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.diffusion.samplers.sampling import SamplerOptions
from segsr_arch.diffusion.steering.acceleration import AccelerationOptions
from tests.support import TINY_MSSD


@pytest.fixture(scope="module")
def comparison():
    torch.manual_seed(0)
    network = MSSD(**{**TINY_MSSD, "scale": 2, "correction": "none"}).eval()
    sampler = SamplerOptions(type="ddim", steps=5, guidance=1.0)
    return Comparison(network, torch.rand(2, 3, 8, 8), None, sampler=sampler, many=10)


def test_fewer_steps_are_farther_from_many_and_cost_less(comparison):
    rows = {steps: comparison.row(steps=steps) for steps in (2, 5)}
    assert rows[2]["dB"] < rows[5]["dB"] < 80 and rows[5]["seconds"] > 0
    assert {steps: (row["cost"], row["taken over"]) for steps, row in rows.items()} == {2: (2, 0), 5: (5, 0)}
    assert comparison.row(steps=10)["dB"] == math.inf, "which are what is compared with"


def test_a_step_that_is_taken_over_costs_the_share_of_the_encoder(comparison):
    row = comparison.row(acceleration=AccelerationOptions(policy="fixed", threshold=10.0))
    assert row["taken over"] == 2, "of the three that are not protected, two on end"
    assert 0 < comparison.encoder_share < 1
    assert row["cost"] == pytest.approx(3 + 2 * comparison.encoder_share)
    assert row["dB"] < comparison.row(steps=5)["dB"]


def test_the_gain_is_over_the_line_between_plain_steps_of_equal_cost():
    plain = {4.0: {"dB": 30.0}, 8.0: {"dB": 34.0}}
    assert with_gain(plain, {"dB": 33.5, "cost": 6.0})["gain"] == pytest.approx(1.5)
    assert math.isnan(with_gain(plain, {"dB": 33.5, "cost": 3.0})["gain"])


def test_the_table_and_the_figure_have_every_row(tmp_path):
    plain = {"dB": 20.0, "seconds": 0.5, "taken over": 0.0, "cost": 4.0}
    rows = {("DDIM", 4.0): plain, ("DDIM", 8.0): {**plain, "dB": 24.0, "cost": 8.0}}
    for policy in ("fixed", "ratchet"):
        for threshold in (0.1, 0.2):
            rows[policy, threshold] = {**plain, "taken over": 3.0, "cost": 5.5, "gain": -0.25}
    lines = table(rows).splitlines()
    assert lines[2] == "| DDIM | 4 | 20.00 | 0.50 | 0.00 | 4.00 |  |"
    assert lines[-1] == "| ratchet | 0.2 | 20.00 | 0.50 | 3.00 | 5.50 | -0.25 |" and len(lines) == 2 + 6
    png, _ = draw(rows, str(tmp_path / "reuse"))
    assert cv2.imread(str(png)).std() > 5
