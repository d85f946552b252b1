import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from segsr_arch.semantics.maps import LearnedUpsampling, cosine_maps, resize_maps


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


@settings(max_examples=50)
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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_the_position(dtype):
    # bfloat16 has eight bits: it cannot count to 512, and centres of neighbouring cells fall together.
    maps = (torch.rand(1, 1, 48, 64) * 2 - 1).to(dtype)
    resized = resize_maps(maps, (2048, 512), step=1 / 16)
    assert resized.dtype == torch.float32
    torch.testing.assert_close(resized, resize_maps(maps.float(), (2048, 512), step=1 / 16), atol=0, rtol=0)
    with torch.autocast("cpu", dtype=dtype):
        torch.testing.assert_close(resize_maps(maps, (2048, 512), step=1 / 16), resized, atol=0, rtol=0)


def test_double_stays_double():
    maps = torch.rand(1, 2, 3, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: resize_maps(values, (5, 7), step=0.6), maps)


@pytest.mark.parametrize("factor", [1, 3, 4, 5])
def test_untrained_upsampling_is_torchs_bilinear(factor):
    maps = torch.rand(2, 3, 5, 4) * 2 - 1
    expected = F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)
    torch.testing.assert_close(LearnedUpsampling(num_maps=3, factor=factor)(maps), expected, atol=1e-6, rtol=1e-5)


@settings(max_examples=50)
@given(
    half=st.integers(0, 8),
    target=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    step=st.floats(0.05, 3),
)
def test_untrained_upsampling_by_an_odd_factor_changes_nothing_on_any_grid(half, target, step):
    factor = 2 * half + 1
    maps = torch.rand(1, 2, 5, 4) * 2 - 1
    upsampled = LearnedUpsampling(num_maps=2, factor=factor)(maps)
    expected = resize_maps(maps, target, step=step)
    torch.testing.assert_close(resize_maps(upsampled, target, step=step * factor), expected, atol=1e-4, rtol=0)


def test_upsampling_by_an_even_factor_loses_the_centres():
    maps = torch.tensor([0.0, 1.0, 0.0]).view(1, 1, 1, 3).expand(1, 1, 3, 3)
    upsampled = LearnedUpsampling(num_maps=1, factor=2)(maps)
    assert resize_maps(maps, (3, 3), step=1)[0, 0, 1, 1] == 1
    assert resize_maps(upsampled, (3, 3), step=2)[0, 0, 1, 1].item() == pytest.approx(0.75)


def test_learned_upsampling_written_out_each_map_by_its_own_weights():
    torch.manual_seed(0)
    module = LearnedUpsampling(num_maps=2, factor=3)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    maps = torch.rand(1, 2, 4, 5)
    padded = F.pad(maps, (1, 1, 1, 1), mode="replicate")
    weight, bias = module.convolution.weight.view(2, 3, 3, 3, 3), module.convolution.bias.view(2, 3, 3)
    expected = torch.empty(1, 2, 12, 15)
    for unit in range(2):
        for row in range(12):
            for column in range(15):
                window = padded[0, unit, row // 3 : row // 3 + 3, column // 3 : column // 3 + 3]
                sub = (unit, row % 3, column % 3)
                expected[(0, unit, row, column)] = (weight[sub] * window).sum() + bias[sub]
    torch.testing.assert_close(module(maps), expected, atol=1e-5, rtol=1e-5)


def test_learned_upsampling_is_as_precise_as_its_weights():
    module = LearnedUpsampling(num_maps=2, factor=3)
    maps = torch.rand(1, 2, 4, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = module(maps)
        assert result.dtype == torch.float32
    torch.testing.assert_close(result, module(maps), atol=0, rtol=0)
    assert module.bfloat16()(maps).dtype == torch.bfloat16
