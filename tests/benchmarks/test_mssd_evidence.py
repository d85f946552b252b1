"""``benchmarks/mssd_evidence.py``: what it reads off a log, and what its captions say."""

import numpy as np
import pytest
import torch
from mssd_captioned import change_caption
from mssd_evidence import falling, features_of, psnr

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.degradations.kernels import anisotropic_kernel, delta_kernel
from tests.support import TINY_MSSD


def test_a_caption_says_how_much_was_lost():
    assert change_caption(delta_kernel(), 0.0) == "from almost sharp and clean to sharp and clean"
    wide = anisotropic_kernel(2.5, 2.5, 0.0)
    assert change_caption(wide, 20.0) == "from blurred and very noisy to sharp and clean"


def test_a_log_gives_the_first_and_the_last_tenth_of_each_loss(tmp_path):
    lines = [f"INFO: [x..][epoch:  0, iter: {n}, lr:(1e-3,)] l_noise: {20 - n:.4e} l_rgb: 1.0e-01 " for n in range(20)]
    (tmp_path / "train_x_1.log").write_text("\n".join(["l_noise: 7.0", *lines]))
    assert falling(tmp_path) == {"l_noise": (20, 19.5, 1.5), "l_rgb": (20, pytest.approx(0.1), pytest.approx(0.1))}


def test_features_are_of_one_image_each_and_of_length_one():
    network = MSSD(**{**TINY_MSSD, "scale": 2}).eval()
    images = torch.rand(3, 3, 16, 16)
    features = features_of(network, images, seed=0)
    torch.testing.assert_close(features.norm(dim=-1), torch.ones(3))
    assert np.isfinite(psnr(images, images + 0.1)) and psnr(images * 0 + 0.5, images * 0 + 0.6) == pytest.approx(20)
