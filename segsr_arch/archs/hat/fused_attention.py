"""Attention within windows with an additive bias that is shared by many windows.

Scores of all windows at once are the largest tensors of HAT, and torch's fused kernel on CPUs gives the bias no
gradient. Here the CPU works through the windows a few at a time, so that the scores never leave the cache, in the
forward and in the backward pass, which computes them again instead of storing them. Other devices use torch's own
fused attention.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# Scores that one thread holds at a time: 0.8 MB in float32, less than the second-level cache of a core.
_SCORES_PER_THREAD = 200_000


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
    query, (key, value) = query.transpose(1, 2), key_value.permute(2, 0, 3, 1, 4).unbind()
    parts = zip(query.split(counts), key.split(counts), value.split(counts), bias.split(1), strict=True)
    outputs = [F.scaled_dot_product_attention(q, k, v, attn_mask=b, scale=scale) for q, k, v, b in parts if len(q)]
    return torch.cat(outputs).transpose(1, 2)


def _chunks(counts: Sequence[int], scores_per_window: int) -> Iterator[tuple[int, slice]]:
    """Walk through the windows: the kind, and a run of windows of that kind whose scores fit into the caches."""
    step = max(1, _SCORES_PER_THREAD * torch.get_num_threads() // scores_per_window)
    start = 0
    for kind, count in enumerate(counts):
        for first in range(start, start + count, step):
            yield kind, slice(first, min(first + step, start + count))
        start += count


def _heads_first(tensor: Tensor) -> Tensor:
    """(w, N, heads, d) to (w * heads, N, d), contiguous."""
    return tensor.transpose(1, 2).contiguous().flatten(0, 1)


def _probabilities(query: Tensor, key: Tensor, bias: Tensor, scale: float, scratch: Tensor) -> Tensor:
    """Attention matrices (w * heads, N, M) of a run of windows, in the first rows of the scratch tensor."""
    scores = scratch[: len(query)]
    scores.unflatten(0, (-1, len(bias))).copy_(bias)
    scores.baddbmm_(query, key.transpose(1, 2), alpha=scale)
    return torch.softmax(scores, -1, out=scores)


@torch.library.custom_op("segsr::window_attention", mutates_args=(), device_types="cpu")
def _attend(query: Tensor, key_value: Tensor, bias: Tensor, counts: Sequence[int], scale: float) -> Tensor:
    output = query.new_empty(query.shape)
    heads, rows, columns = bias.shape[1:]
    scratch = None
    for kind, run in _chunks(counts, heads * rows * columns):
        q = _heads_first(query[run])
        k, v = _heads_first(key_value[run, :, 0]), _heads_first(key_value[run, :, 1])
        if scratch is None or len(q) > len(scratch):
            scratch = q.new_empty(len(q), rows, columns)
        attended = torch.bmm(_probabilities(q, k, bias[kind], scale, scratch), v)
        output[run] = attended.unflatten(0, (-1, heads)).transpose(1, 2)
    return output


@torch.library.custom_op("segsr::window_attention_backward", mutates_args=(), device_types="cpu")
def _attend_backward(
    gradient: Tensor, query: Tensor, key_value: Tensor, bias: Tensor, counts: Sequence[int], scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    query_gradient, key_value_gradient = query.new_empty(query.shape), key_value.new_empty(key_value.shape)
    # Summed over windows, hence in float32 at least.
    bias_gradient = torch.zeros_like(bias, dtype=torch.promote_types(bias.dtype, torch.float32))
    heads, rows, columns = bias.shape[1:]
    scratch = None

    def store(target: Tensor, run_gradient: Tensor) -> None:
        target.copy_(run_gradient.unflatten(0, (-1, heads)).transpose(1, 2))

    for kind, run in _chunks(counts, heads * rows * columns):
        q, g = _heads_first(query[run]), _heads_first(gradient[run])
        k, v = _heads_first(key_value[run, :, 0]), _heads_first(key_value[run, :, 1])
        if scratch is None or len(q) > scratch.shape[1]:
            scratch = q.new_empty(2, len(q), rows, columns)
        weights = _probabilities(q, k, bias[kind], scale, scratch[0])
        store(key_value_gradient[run, :, 1], torch.bmm(weights.transpose(1, 2), g))
        scores = torch.bmm(g, v.transpose(1, 2), out=scratch[1, : len(q)])
        torch.ops.aten._softmax_backward_data.out(scores, weights, -1, weights.dtype, grad_input=scores)
        for window_scores in scores.unflatten(0, (-1, heads)):
            bias_gradient[kind].add_(window_scores)
        store(query_gradient[run], torch.bmm(scores, k).mul_(scale))
        store(key_value_gradient[run, :, 0], torch.bmm(scores.transpose(1, 2), q).mul_(scale))
    return query_gradient, key_value_gradient, bias_gradient.to(bias.dtype)


@_attend.register_fake
def _(query, key_value, bias, counts, scale):
    return query.new_empty(query.shape)


@_attend_backward.register_fake
def _(gradient, query, key_value, bias, counts, scale):
    return query.new_empty(query.shape), key_value.new_empty(key_value.shape), torch.empty_like(bias)


def _save(ctx, inputs, output) -> None:
    query, key_value, bias, ctx.counts, ctx.scale = inputs
    ctx.save_for_backward(query, key_value, bias)


def _differentiate(ctx, gradient: Tensor):
    return *_attend_backward(gradient, *ctx.saved_tensors, ctx.counts, ctx.scale), None, None


_attend.register_autograd(_differentiate, setup_context=_save)
