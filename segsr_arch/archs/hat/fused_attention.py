"""Attention within windows with an additive bias that is shared by many windows.

Scores of all windows at once would be the largest tensors of HAT, and torch's fused kernel on CPUs gives the bias no
gradient: with a bias to be trained, torch stores all scores. So on the CPU the gradients come from here, where the
windows are worked through a few at a time: their scores are computed again and never leave the cache. The forward
pass is torch's fused kernel. Other devices use torch for both.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

# Scores that one thread holds at a time: 1.6 MB in float32. Fewer would fit still better into the cache, but mean
# more, shorter pieces between which the threads wait for each other, which is dear where other programs run as well.
_SCORES_PER_THREAD = 400_000
# How far a score may lie below the greatest one of its row before it stops to count.
_NEGLIGIBLE = 80.0


def window_attention(query: Tensor, key_value: Tensor, bias: Tensor, counts: Sequence[int], scale: float) -> Tensor:
    """Softmax attention in windows: ``softmax(scale * q k^T + bias) v`` for every window and head.

    Args:
        query: (W, N, heads, d), W windows of N queries.
        key_value: (W, M, 2, heads, d), keys and values of each window, of the dtype of ``query``.
        bias: (K, heads, N, M), one bias for each kind of window; cast to the dtype of ``query``.
        counts: number of windows of each of the K kinds, in order; their sum is W.
        scale: factor on the scores before the bias.

    Returns:
        (W, N, heads, d), differentiable once with respect to the three tensors.
    """
    bias = bias.to(query.dtype)
    if query.device.type == "cpu":
        return _attend(query, key_value, bias, list(counts), scale)
    return _attend_by_torch(query, key_value, bias, counts, scale)


def _attend_by_torch(query: Tensor, key_value: Tensor, bias: Tensor, counts: Sequence[int], scale: float) -> Tensor:
    query, (key, value) = query.transpose(1, 2), key_value.permute(2, 0, 3, 1, 4).unbind()
    counts = list(counts)
    parts = zip(query.split(counts), key.split(counts), value.split(counts), bias.split(1), strict=True)
    # torch's kernels write (W, N, heads, d), whatever the order of the dimensions that they show.
    outputs = [
        F.scaled_dot_product_attention(q, k, v, attn_mask=b, scale=scale).transpose(1, 2)
        for q, k, v, b in parts
        if len(q)
    ]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _chunks(counts: Sequence[int], scores_per_window: int) -> Iterator[tuple[int, slice]]:
    """Walk through the windows: the kind, and a run of windows of that kind whose scores fit into the caches."""
    step = max(1, _SCORES_PER_THREAD * torch.get_num_threads() // scores_per_window)
    start = 0
    for kind, count in enumerate(counts):
        for first in range(start, start + count, step):
            yield kind, slice(first, min(first + step, start + count))
        start += count


def _heads_first(tensor: Tensor) -> Tensor:
    """(W, N, heads, d) to (W, heads, N, d), contiguous."""
    return tensor.transpose(1, 2).contiguous()


def _probabilities(query: Tensor, key: Tensor, bias: Tensor, scale: float, scratch: Tensor) -> Tensor:
    """Attention matrices (w * heads, N, M) of a run of w windows, in the first rows of the scratch tensor.

    Probabilities below e^-80 are zero: the penalty of -100 on tokens from the opposite border would else make
    subnormal numbers, each of which costs a hundred times as much as another.
    """
    scores = scratch[: len(query)]
    scores.unflatten(0, (-1, len(bias))).copy_(bias)
    scores.baddbmm_(query, key.transpose(1, 2), alpha=scale)
    if bias.amin() < -_NEGLIGIBLE:
        F.threshold_(scores.sub_(scores.amax(-1, keepdim=True)), -_NEGLIGIBLE, -torch.inf)
    return torch.softmax(scores, -1, out=scores)


# The schemas are written out, because torch reads collections.abc.Sequence from annotations only since 2.7.
_ARGUMENTS = "Tensor query, Tensor key_value, Tensor bias, SymInt[] counts, float scale"


@torch.library.custom_op(
    "segsr::window_attention", mutates_args=(), device_types="cpu", schema=f"({_ARGUMENTS}) -> Tensor"
)
def _attend(query: Tensor, key_value: Tensor, bias: Tensor, counts: Sequence[int], scale: float) -> Tensor:
    # A bias to be trained would rule out torch's fused kernel, even where no gradient is recorded, as here.
    return _attend_by_torch(query, key_value, bias.detach(), counts, scale).contiguous()


@torch.library.custom_op(
    "segsr::window_attention_backward",
    mutates_args=(),
    device_types="cpu",
    schema=f"(Tensor gradient, {_ARGUMENTS}) -> (Tensor, Tensor, Tensor)",
)
def _attend_backward(
    gradient: Tensor, query: Tensor, key_value: Tensor, bias: Tensor, counts: Sequence[int], scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    heads, rows, columns = bias.shape[1:]
    q, k, v, g = (_heads_first(tensor) for tensor in (query, key_value[:, :, 0], key_value[:, :, 1], gradient))
    q_gradient, k_gradient, v_gradient = (torch.empty_like(tensor) for tensor in (q, k, v))
    # Summed over windows, hence in float32 at least.
    bias_gradient = torch.zeros_like(bias, dtype=torch.promote_types(bias.dtype, torch.float32))
    scratch = None
    for kind, run in _chunks(counts, heads * rows * columns):
        run_q, run_k, run_v, run_g = (tensor[run].flatten(0, 1) for tensor in (q, k, v, g))
        if scratch is None or len(run_q) > scratch.shape[1]:
            scratch = q.new_empty(2, len(run_q), rows, columns)
        weights = _probabilities(run_q, run_k, bias[kind], scale, scratch[0])
        torch.bmm(weights.transpose(1, 2), run_g, out=v_gradient[run].flatten(0, 1))
        scores = torch.bmm(run_g, run_v.transpose(1, 2), out=scratch[1, : len(run_q)])
        torch.ops.aten._softmax_backward_data.out(scores, weights, -1, weights.dtype, grad_input=scores)
        for window_scores in scores.unflatten(0, (-1, heads)):
            bias_gradient[kind].add_(window_scores)
        torch.bmm(scores, run_k, out=q_gradient[run].flatten(0, 1))
        torch.bmm(scores.transpose(1, 2), run_q, out=k_gradient[run].flatten(0, 1))
    query_gradient, key_value_gradient = torch.empty_like(query), torch.empty_like(key_value)
    torch.mul(q_gradient.transpose(1, 2), scale, out=query_gradient)
    torch.mul(k_gradient.transpose(1, 2), scale, out=key_value_gradient[:, :, 0])
    key_value_gradient[:, :, 1].copy_(v_gradient.transpose(1, 2))
    return query_gradient, key_value_gradient, bias_gradient.to(bias.dtype)


@_attend.register_fake
def _(query, key_value, bias, counts, scale):
    return query.new_empty(query.shape)


@_attend_backward.register_fake
def _(gradient, query, key_value, bias, counts, scale):
    return query.new_empty(query.shape), key_value.new_empty(key_value.shape), torch.empty_like(bias)


@register_flop_formula(torch.ops.segsr.window_attention)
def _count_flops(query_shape, key_value_shape, bias_shape, counts, scale, *, out_shape=None) -> int:
    windows, rows, heads, width = query_shape
    return 2 * 2 * windows * heads * rows * key_value_shape[1] * width


def _save(ctx, inputs, output) -> None:
    query, key_value, bias, ctx.counts, ctx.scale = inputs
    ctx.save_for_backward(query, key_value, bias)


def _differentiate(ctx, gradient: Tensor):
    return *_attend_backward(gradient, *ctx.saved_tensors, ctx.counts, ctx.scale), None, None


_attend.register_autograd(_differentiate, setup_context=_save)
