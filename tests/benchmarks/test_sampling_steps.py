"""``benchmarks/sampling_steps.py``: what it counts and measures of a sample."""

import cv2
import pytest
import torch
from sampling_steps import curve, draw, loaded, middle, table

from segsr_arch.archs.mssd_arch import MSSD
from tests.support import TINY_MSSD


def items(count=2):
    return [
        middle(
            {"lq": torch.rand(3, 20, 24), "gt": torch.rand(3, 40, 48), "caption": "red", "gt_path": f"{n}.png"},
            side=24,
            scale=2,
        )
        for n in range(count)
    ]


def test_the_middle_of_both_images_is_one_place():
    ramp = torch.arange(48.0).expand(3, 40, 48)
    cut = middle({"lq": ramp[:, ::2, ::2] / 2, "gt": ramp, "caption": "red"}, side=24, scale=2)
    assert cut["lq"].shape == (3, 12, 12) and cut["gt"].shape == (3, 24, 24) and cut["caption"] == "red"
    assert torch.equal(cut["gt"][:, ::2, ::2], 2 * cut["lq"])


@pytest.mark.parametrize(("one_pass", "evaluations"), [(None, 6), ("head", 3)])
def test_a_sample_of_three_steps_takes_six_evaluations_and_a_student_three(one_pass, evaluations):
    torch.manual_seed(0)
    network = MSSD(**{**TINY_MSSD, "scale": 2, "correction": "none", "one_pass_guidance": one_pass}).eval()
    measures = loaded(["psnr", "lr_consistency"])
    row = curve(network, items(), solver="ddim", steps=3, guidance=3.0, measures=measures)
    assert row["evaluations"] == evaluations and row["seconds"] > 0
    assert 3 < row["psnr"] < 40 and 3 < row["lr_consistency"] < 60


def test_the_table_and_the_figure_have_every_row(tmp_path):
    base = {"psnr": 20.0, "lr_consistency": 30.0}
    rows = {
        (solver, steps): {"psnr": 19.0 + steps, "lr_consistency": 31.0}
        for solver in ("ddim", "lcm")
        for steps in (1, 2)
    }
    lines = table(base, rows).splitlines()
    assert lines[2].startswith("| bicubic |  | 20.000 |") and lines[-1] == "| lcm | 2 | 21.000 | 31.000 |"
    png, _ = draw(base, rows, str(tmp_path / "steps"))
    assert cv2.imread(str(png)).std() > 5
