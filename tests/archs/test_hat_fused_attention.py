import pytest
import torch

from segsr_arch.archs.hat import fused_attention
from segsr_arch.archs.hat.fused_attention import window_attention


def make_inputs(counts, queries=5, keys=7, heads=2, channels=3, dtype=torch.float64):
    torch.manual_seed(0)
    windows = sum(counts)
    shapes = (
        (windows, queries, heads, channels),
        (windows, keys, 2, heads, channels),
        (len(counts), heads, queries, keys),
    )
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


def attend_by_hand(query, key_value, bias, counts, scale):
    key, value = key_value.unbind(2)
    kinds = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    scores = scale * torch.einsum("wnhd,wmhd->whnm", query, key) + bias[kinds]
    return torch.einsum("whnm,wmhd->wnhd", scores.softmax(-1), value)


@pytest.mark.parametrize("counts", [[1], [5], [2, 0, 3, 1]])
@pytest.mark.parametrize("scores_at_a_time", [1, 10**6], ids=["one window", "all windows"])
def test_output_and_gradients_equal_plain_softmax_attention(monkeypatch, counts, scores_at_a_time):
    monkeypatch.setattr(fused_attention, "_SCORES_PER_THREAD", scores_at_a_time)
    inputs = make_inputs(counts)
    outputs = [function(*inputs, counts, 0.3) for function in (window_attention, attend_by_hand)]
    torch.testing.assert_close(*outputs)
    weights = torch.randn_like(outputs[0])
    torch.testing.assert_close(*(torch.autograd.grad((output * weights).sum(), inputs) for output in outputs))


def test_torchs_conditions_on_an_operator_are_met():
    inputs = make_inputs([2, 1])
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(torch.ops.segsr.window_attention, (*inputs, [2, 1], 0.3), test_utils=tests)


def test_bfloat16_is_near_float32_and_the_bias_keeps_its_dtype():
    inputs = make_inputs([2, 2], dtype=torch.float32)
    exact = window_attention(*inputs, [2, 2], 0.3)
    query, key_value, bias = inputs
    rounded = window_attention(query.bfloat16(), key_value.bfloat16(), bias, [2, 2], 0.3)
    assert rounded.dtype == torch.bfloat16
    assert (rounded - exact).abs().max() < 0.05
    rounded.float().sum().backward()
    assert bias.grad.dtype == torch.float32


def test_probabilities_of_penalised_tokens_are_normal_numbers_or_zero():
    torch.manual_seed(0)
    query, key = torch.randn(2, 6, 8), torch.randn(2, 10, 8)
    bias = torch.zeros(1, 6, 10)
    bias[..., 5:] = -100.0  # the penalty on tokens from the opposite border
    bias[..., 9] = -65.0
    scores = query.double() @ key.double().transpose(1, 2) + bias
    sums = scores.logsumexp(-1, keepdim=True).transpose(1, 2).float()
    weights = fused_attention._probabilities(query, key, bias, sums, 1.0, True, out=torch.empty(2, 6, 10))
    tiny = torch.finfo(torch.float32).tiny
    assert ((weights == 0) | (weights >= tiny)).all() and (weights[..., 5:9] == 0).all() and (weights[..., 9] > 0).all()
    torch.testing.assert_close(weights.double(), scores.softmax(-1), atol=1e-6, rtol=1e-6)


def test_a_penalty_that_is_outweighed_counts_as_in_the_formula():
    query, key_value, bias = make_inputs([3], dtype=torch.float64)
    with torch.no_grad():
        bias[..., 3:] -= 100
        bias[..., 5] += 150
    outputs = [function(query, key_value, bias, [3], 0.3) for function in (window_attention, attend_by_hand)]
    torch.testing.assert_close(*outputs)
    weights = torch.randn_like(outputs[0])
    inputs = (query, key_value, bias)
    torch.testing.assert_close(*(torch.autograd.grad((output * weights).sum(), inputs) for output in outputs))
