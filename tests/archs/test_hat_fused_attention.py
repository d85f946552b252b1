import pytest
import torch

from segsr_arch.archs.hat import fused_attention
from segsr_arch.archs.hat.fused_attention import relative_bias, window_attention


def make_inputs(counts, queries=5, keys=7, heads=2, channels=3, dtype=torch.float64):
    torch.manual_seed(0)
    windows = sum(counts)
    shapes = (
        (windows, queries, heads, channels),
        (windows, keys, 2, heads, channels),
        (len(counts), heads, queries, keys),
    )
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


def attend_by_hand(query, key_value, bias, index, mask, counts, scale):
    bias = bias if index is None else bias[index].view(1, query.shape[1], -1, bias.shape[1]).permute(0, 3, 1, 2)
    key, value = key_value.unbind(2)
    kinds = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    bias = bias if mask is None else bias + mask.unsqueeze(1)
    bias = bias.expand(len(counts), -1, -1, -1)
    scores = scale * torch.einsum("wnhd,wmhd->whnm", query, key) + bias[kinds]
    return torch.einsum("whnm,wmhd->wnhd", scores.softmax(-1), value)


def assert_equal_to_plain_attention(inputs, mask, counts, index=None):
    """Compare output and gradients with the plain formula, in float64."""
    outputs = [function(*inputs, index, mask, counts, 0.3) for function in (window_attention, attend_by_hand)]
    torch.testing.assert_close(*outputs)
    weights = torch.randn_like(outputs[0])
    torch.testing.assert_close(*(torch.autograd.grad((output * weights).sum(), inputs) for output in outputs))


@pytest.mark.parametrize("counts", [[1], [5], [2, 0, 3, 1]])
@pytest.mark.parametrize("scores_at_a_time", [1, 10**6], ids=["one window", "all windows"])
def test_output_and_gradients_equal_plain_softmax_attention(monkeypatch, counts, scores_at_a_time):
    monkeypatch.setattr(fused_attention, "_SCORES_PER_THREAD", scores_at_a_time)
    assert_equal_to_plain_attention(make_inputs(counts), None, counts)


@pytest.mark.parametrize("scores_at_a_time", [1, 10**6], ids=["one window", "all windows"])
def test_a_mask_is_added_to_the_bias_that_all_kinds_share(monkeypatch, scores_at_a_time):
    monkeypatch.setattr(fused_attention, "_SCORES_PER_THREAD", scores_at_a_time)
    query, key_value, bias = make_inputs([2, 0, 3, 1])
    mask = torch.randn(4, 5, 7, dtype=torch.float64)
    assert_equal_to_plain_attention((query, key_value, bias[:1].detach().requires_grad_()), mask, [2, 0, 3, 1])


@pytest.mark.parametrize("counts", [[5], [2, 0, 3, 1]])
def test_a_table_of_biases_is_looked_up_and_gets_the_sum_of_the_gradients(counts):
    query, key_value, _ = make_inputs(counts)
    table = torch.randn(11, 2, dtype=torch.float64, requires_grad=True)
    index = torch.randint(11, (5 * 7,))
    mask = torch.randn(len(counts), 5, 7, dtype=torch.float64)
    assert_equal_to_plain_attention((query, key_value, table), mask, counts, index)
    bias = relative_bias(table, index, 5)
    assert bias.shape == (1, 2, 5, 7) and bias[0, 1, 3, 2] == table[index[3 * 7 + 2], 1]


@pytest.mark.parametrize("kind", ["bias", "bias and mask", "table"])
def test_torchs_conditions_on_an_operator_are_met(kind):
    query, key_value, bias = make_inputs([2, 1])
    mask, index = torch.randn(2, 5, 7, dtype=torch.float64), None
    if kind == "bias":
        mask = None
    elif kind == "table":
        bias, index = torch.randn(11, 2, dtype=torch.float64, requires_grad=True), torch.randint(11, (5 * 7,))
    else:
        bias = bias[:1].detach().requires_grad_()
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    arguments = (query, key_value, bias, index, mask, [2, 1], 0.3)
    torch.library.opcheck(torch.ops.segsr.window_attention, arguments, test_utils=tests)


@pytest.mark.parametrize("counts", [[3], [2, 1]], ids=["one kind", "two kinds"])
def test_results_lie_in_memory_as_compiled_programs_expect(counts):
    query, key_value, bias = (tensor.detach() for tensor in make_inputs(counts, dtype=torch.float32))
    attended, sums = torch.ops.segsr.window_attention(query, key_value, bias, None, None, counts, 0.3)
    assert attended.is_contiguous() and sums.is_contiguous()


def test_bfloat16_is_near_float32_forward_and_backward_and_the_bias_keeps_its_dtype():
    exact_inputs = make_inputs([2, 2], dtype=torch.float32)
    exact = window_attention(*exact_inputs, None, None, [2, 2], 0.3)
    query, key_value, bias = exact_inputs
    rounded_inputs = [query.detach().bfloat16().requires_grad_(), key_value.detach().bfloat16().requires_grad_(), bias]
    rounded = window_attention(*rounded_inputs, None, None, [2, 2], 0.3)
    assert rounded.dtype == torch.bfloat16
    assert (rounded - exact).abs().max() < 0.05
    gradients = [
        torch.autograd.grad(output.square().float().sum(), inputs)
        for output, inputs in ((exact, exact_inputs), (rounded, rounded_inputs))
    ]
    assert [gradient.dtype for gradient in gradients[1]] == [torch.bfloat16, torch.bfloat16, torch.float32]
    for exact_gradient, gradient in zip(*gradients, strict=True):
        assert (gradient.float() - exact_gradient).abs().max() < 0.03 * exact_gradient.abs().max()


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


@pytest.mark.parametrize("in_mask", [False, True])
def test_a_penalty_that_is_outweighed_counts_as_in_the_formula(in_mask):
    query, key_value, bias = make_inputs([3], dtype=torch.float64)
    penalty = torch.zeros(1, 5, 7, dtype=torch.float64)
    penalty[..., 3:] -= 100
    with torch.no_grad():
        bias[..., 5] += 150
        if not in_mask:
            bias += penalty
    assert_equal_to_plain_attention((query, key_value, bias), penalty if in_mask else None, [3])
