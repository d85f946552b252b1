"""SeGSR's own options: what published option files of HAT and SeG-SR carry."""

import pytest
import torch

from segsr_arch.archs.segsr_arch import SeGSR
from segsr_arch.config import check_options
from segsr_arch.errors import ConfigError
from tests.config.paired_options import good_train
from tests.config.test_check import problems
from tests.support import TINY_HAT, TINY_SEMANTICS

PUBLISHED = {"in_chans": 3, "img_size": 64, "upsampler": "pixelshuffle", "resi_connection": "1conv"}
TINY = {**TINY_HAT, "upscale": 2, "semantics": TINY_SEMANTICS}


def weights(**options):
    torch.manual_seed(0)
    return SeGSR(**TINY, **options).state_dict()


def test_published_keys_mean_what_is_built_without_them():
    plain, published = weights(), weights(**PUBLISHED)
    assert plain.keys() == published.keys()
    assert all(torch.equal(plain[name], published[name]) for name in plain)
    assert weights(img_size=128).keys() == plain.keys()


def test_a_training_size_of_one_window_shifts_none_as_in_the_public_network():
    groups = SeGSR(**TINY, img_size=8).base.layers
    assert not any(block.shifted for group in groups for block in group.residual_group.blocks)
    groups = SeGSR(**TINY, img_size=9).base.layers
    assert any(block.shifted for group in groups for block in group.residual_group.blocks)


@pytest.mark.parametrize("kind", ["SeGSR", "HAT", "HAT_segsr"])
def test_the_check_takes_published_keys(tmp_path, kind):
    network = {"type": kind, **TINY_HAT, "upscale": 2, **PUBLISHED}
    network |= {"semantics": TINY_SEMANTICS} if kind == "SeGSR" else {}
    check_options({**good_train(tmp_path), "network_g": network}, is_train=True, source="some.yml")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("in_chans", 1, "in_chans: 1: the vision-language model sees red, green and blue; give 3."),
        ("img_size", 4, "img_size: 4: give at least window_size (8)"),
        ("upsampler", "nearest+conv", "upsampler: 'nearest+conv': HAT has only pixelshuffle."),
        ("resi_connection", "3conv", "resi_connection: '3conv': give 1conv or identity."),
    ],
)
def test_what_would_be_another_network_is_refused_by_key(tmp_path, key, value, words):
    network = {"type": "SeGSR", **TINY, **PUBLISHED, key: value}
    (line,) = problems({**good_train(tmp_path), "network_g": network})
    assert line.startswith("  - network_g: ") and words in line
    with pytest.raises(ConfigError) as caught:
        SeGSR(**TINY, **{key: value})
    assert words in str(caught.value)
