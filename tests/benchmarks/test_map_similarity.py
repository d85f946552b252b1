"""``benchmarks/map_similarity.py``: how alike the units of a network look at images."""

import pytest
import torch
from map_similarity import measure

from tests.guiding.bases import build, images
from tests.guiding.test_guided_network import shake


def test_units_that_look_alike_and_units_that_do_not():
    network = shake(build("EDSR")).eval()
    lqs = [images(40, 24 + 8 * place) for place in range(3)]
    found = measure(network, lqs)
    with torch.no_grad():
        maps = [network.guide.view(lq).maps[0].flatten(1) for lq in lqs]
    expected = [float(torch.corrcoef(each)[0, 1]) for each in maps]
    assert found["correlation"] == pytest.approx((sum(expected) / 3, min(expected)), abs=1e-5)
    assert found["spread"] == pytest.approx(
        float(torch.stack([each.std(dim=1).mean() for each in maps]).mean()), rel=1e-5
    )
    with torch.no_grad():
        network.guide.localization.local_descriptors[1] = network.guide.localization.local_descriptors[0]
    alike = measure(network, lqs)
    assert alike["cosine"] == pytest.approx((1, 1), abs=1e-5) and alike["correlation"][1] == pytest.approx(1, abs=1e-4)
    assert found["cosine"][0] < 0.9999
