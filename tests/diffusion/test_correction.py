import math

import numpy as np
import pytest
import torch

from segsr_arch.degradations.bicubic_operator import reduce_bicubic
from segsr_arch.diffusion.correction import check_correction, corrected
from segsr_arch.errors import ConfigError, DataError
from tests.support import make_image

SCALE = 4


def psnr(one, other):
    return -10 * math.log10((one - other).double().square().mean().item())


def reduced(images):
    return torch.from_numpy(reduce_bicubic(images.double().numpy(), SCALE)).float()


@pytest.fixture
def images():
    """High-resolution images (2, 3, 96, 64), and generated ones: of another colour, and with details made up."""
    gt = torch.stack([torch.from_numpy(make_image(seed, 96, 64)) for seed in (0, 1)]).permute(0, 3, 1, 2) / 255
    details = 0.05 * torch.randn(gt.shape, generator=torch.Generator().manual_seed(0))
    return gt, gt * 0.9 + 0.1 + details


def test_a_projected_image_is_consistent_and_closer_to_the_truth(images):
    gt, sr = images
    result = corrected(sr, reduced(gt), kind="consistent", scale=SCALE)
    assert psnr(reduced(sr), reduced(gt)) < 35
    assert psnr(reduced(result), reduced(gt)) > 80
    assert result.dtype == torch.float32
    assert psnr(result, gt) > psnr(sr, gt)


@pytest.mark.parametrize("kind", ["wavelet", "consistent"])
def test_under_autocast_images_are_corrected_in_float32(images, kind):
    gt, sr = images
    lq = reduced(gt)
    expected = corrected(sr, lq, kind=kind, scale=SCALE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(corrected(sr, lq, kind=kind, scale=SCALE), expected)


def test_an_image_is_corrected_alone_as_in_a_batch(images):
    gt, sr = images
    lq = reduced(gt)
    for kind, noise in (("wavelet", 0), ("consistent", 0), ("consistent", 5)):
        together = corrected(sr, lq, kind=kind, scale=SCALE, noise=noise)
        alone = corrected(sr[1:], lq[1:], kind=kind, scale=SCALE, noise=noise)
        assert (alone - together[1:]).abs().max() < 1e-6


@pytest.mark.parametrize("error", [0.01, 0.03, 0.1])
def test_noise_of_the_lr_image_is_weighed_against_the_errors_of_the_image(images, error):
    gt, _ = images
    generator = torch.Generator().manual_seed(1)
    sr = gt + error * torch.randn(gt.shape, generator=generator)
    clean = reduced(gt)
    lq = clean + 5 / 255 * torch.randn(clean.shape, generator=generator)
    none, exact, weighted = (
        psnr(corrected(sr, lq, kind=kind, scale=SCALE, noise=noise), gt)
        for kind, noise in (("none", 0), ("consistent", 0), ("consistent", 5))
    )
    assert weighted >= none
    assert weighted > exact


def test_noise_stays_out_of_an_image_without_errors(images):
    gt, _ = images
    noise = 5 / 255 * torch.randn(reduced(gt).shape, generator=torch.Generator().manual_seed(1))
    off = corrected(gt, reduced(gt) + noise, kind="consistent", scale=SCALE, noise=5) - gt
    assert off.square().mean().sqrt() < 0.1 * 5 / 255


def test_a_weight_of_nothing_is_the_projection(images):
    gt, sr = images
    lq = reduced(gt)
    exact = corrected(sr, lq, kind="consistent", scale=SCALE)
    nearly = corrected(sr, lq, kind="consistent", scale=SCALE, noise=1e-4)
    assert (exact - nearly).abs().max() < 1e-5


def test_wavelets_take_colour_from_the_lr_image_and_leave_details(images):
    gt, sr = images
    lq = reduced(gt)
    result = corrected(sr, lq, kind="wavelet", scale=SCALE)
    assert (result.mean((2, 3)) - gt.mean((2, 3))).abs().max() < 0.01
    assert (sr.mean((2, 3)) - gt.mean((2, 3))).abs().min() > 0.005
    steps = np.diff(sr[0, 0].numpy())
    assert np.corrcoef(steps.ravel(), np.diff(result[0, 0].numpy()).ravel())[0, 1] > 0.99
    assert psnr(reduced(result), lq) > psnr(reduced(sr), lq)
    same = corrected(gt, lq, kind="wavelet", scale=SCALE)
    assert psnr(same, gt) > 45, "what has the LR image's low frequencies already is left as it is"


def test_none_changes_nothing(images):
    gt, sr = images
    assert corrected(sr, reduced(gt), kind="none", scale=SCALE) is sr


def test_what_cannot_be_corrected_is_refused(images):
    gt, sr = images
    with pytest.raises(ConfigError, match="correction: wavelets is not known; did you mean wavelet"):
        check_correction("wavelets", scale=SCALE)
    with pytest.raises(ConfigError, match="noise .* at least 0"):
        corrected(sr, reduced(gt), kind="consistent", scale=SCALE, noise=-1)
    with pytest.raises(DataError, match=r"not 4 times those of shape \(2, 3, 96, 64\)"):
        corrected(sr, gt, kind="consistent", scale=SCALE)
