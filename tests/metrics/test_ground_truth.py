import pytest
from basicsr.utils.registry import METRIC_REGISTRY

from segsr_arch.metrics.ground_truth import needs_ground_truth
from tests.support import know_to_pyiqa


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ({"type": "calculate_psnr", "crop_border": 0}, True),
        ({"type": "calculate_niqe", "crop_border": 0}, False),
        ({"type": "calculate_clip_iqa"}, False),
        ({"type": "calculate_protocol_psnr", "scale": 2}, True),
        ({"type": "calculate_lr_consistency", "scale": 2}, True),  # BasicSR passes no LR image, it is made of this
        ({"type": "calculate_kid", "images": 2}, True),
        ({"type": "calculate_pyiqa", "metric": "musiq"}, False),
        ({"type": "calculate_pyiqa", "metric": "fsim"}, True),
    ],
)
def test_which_metrics_compare(monkeypatch, options, needs):
    know_to_pyiqa(monkeypatch, musiq="NR", fsim="FR")
    assert needs_ground_truth(METRIC_REGISTRY.get(options["type"]), options) is needs


def test_a_function_from_elsewhere_says_it_by_its_parameters():
    assert needs_ground_truth(lambda img, img2, crop: 0.0, {}) is True
    assert needs_ground_truth(lambda img, img2=None: 0.0, {}) is False
    assert needs_ground_truth(lambda img, **kwargs: 0.0, {}) is False
