import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from segsr_arch.semantics.maps import cosine_maps, resize_maps


def test_cosine_per_patch_not_per_map():
    embeddings = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
    local = torch.tensor([[[3.0, 0.0, -2.0]], [[0.0, 5.0, 0.0]]]).unsqueeze(0)  # (1, 2, 1, 3)
    maps = cosine_maps(embeddings, local)
    half = 0.5**0.5
    torch.testing.assert_close(maps[0, :, 0], torch.tensor([[1.0, 0.0, -1.0], [half, half, -half]]))


def test_cosine_is_float32_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert cosine_maps(torch.rand(1, 2, 8).bfloat16(), torch.rand(1, 8, 2, 2)).dtype == torch.float32


@pytest.mark.parametrize(("source", "factor"), [((4, 6), 4), ((16, 16), 4), ((3, 5), 2)])
def test_whole_patches_resize_as_torch_does(source, factor):
    maps = torch.rand(2, 3, *source)
    size = (source[0] * factor, source[1] * factor)
    expected = F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize_maps(maps, size, step=1 / factor), expected)


def test_position_not_size_decides():
    # 10 LR pixels at x3 and patches of 16: two patches, the second half beyond the image.
    maps = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    row = resize_maps(maps, (1, 10), step=3 / 16)[0, 0, 0]
    centres = (torch.arange(10) + 0.5) * 3 / 16 - 0.5
    torch.testing.assert_close(row, centres.clamp(0, 1))
    # The same pixel gets the same value on a padded grid of the unit.
    torch.testing.assert_close(resize_maps(maps, (1, 16), step=3 / 16)[0, 0, 0, :10], row)


@settings(max_examples=50, deadline=None)
@given(
    source=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    target=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    step=st.floats(0.05, 3),
    value=st.floats(-1, 1),
)
def test_constant_stays_constant_and_range_is_kept(source, target, step, value):
    constant = resize_maps(torch.full((1, 1, *source), value), target, step=step)
    torch.testing.assert_close(constant, torch.full((1, 1, *target), value), atol=1e-5, rtol=0)
    maps = torch.rand(1, 2, *source) * 2 - 1
    resized = resize_maps(maps, target, step=step)
    assert resized.min() >= maps.min() - 1e-5 and resized.max() <= maps.max() + 1e-5
