import pytest
import torch

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.diffusion.samplers.sampling import SamplerOptions
from tests.support import TINY_MSSD

SAMPLER = SamplerOptions(type="edm", steps=4, churn=1.0, guidance=7.5, guidance_start=4.0)
LQ = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
CAPTIONS = ["sharp roofs", "fields"]


def build(**changes):
    torch.manual_seed(0)
    return MSSD(**{**TINY_MSSD, "scale": 2, **changes}).eval().requires_grad_(False)


def test_each_step_has_the_weight_of_its_noise(monkeypatch):
    network, used = build(), []
    predict = network.unet.predict_guided

    def watched(latents, t, steering, weight):
        used.append((t, weight))
        return predict(latents, t, steering, weight)

    monkeypatch.setattr(network.unet, "predict_guided", watched)
    network(LQ, CAPTIONS, sampler=SAMPLER)
    assert len(used) == 4 and used[0][1] == pytest.approx(4)
    assert used[1][0].is_floating_point() and len(used[1][0]) == 2, "the UNet is told a time between two steps"
    for t, weight in used:
        expected = 7.5 - 3.5 * network.schedule.sigma(float(t[0])) / network.schedule.sigma(999)
        assert weight == pytest.approx(expected, abs=1e-3)
    weights = [weight for _, weight in used]
    assert weights == sorted(weights) and weights[-1] < 7.5


def test_with_fresh_noise_too_an_image_is_sampled_alone_as_in_a_batch():
    network = build()
    both = network(LQ, CAPTIONS, sampler=SAMPLER)
    torch.testing.assert_close(both[1:], network(LQ[1:], CAPTIONS[1:], sampler=SAMPLER), atol=1e-5, rtol=1e-5)
