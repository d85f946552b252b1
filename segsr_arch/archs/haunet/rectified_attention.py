"""Attention between all pixels of an image, with scores that a rectifier cuts at zero before the softmax.

All scores at once would be the square of the number of pixels, 67 MB for 64 x 64 of them and eight times that in
training, and torch has no fused kernel with a rectifier. So the queries are worked through a few at a time: their
scores stay in the cache, and the backward pass computes them again.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from segsr_arch.tracing import is_exporting

# Scores at a time: on a CPU what its caches hold, for each thread; elsewhere 256 MB of float32.
_SCORES_PER_THREAD = 800_000
_SCORES_ELSEWHERE = 2**26
_LEAST_QUERIES = 16


def rectified_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute ``softmax(relu(q k^T)) v`` with memory that grows with the number of pixels, not with its square.

    Args:
        query: (A, N, d), as many attentions A as images and heads; any scale of the scores is in it already.
        key: (A, M, d).
        value: (A, M, d).

    Returns:
        (A, N, d).
    """
    if is_exporting():  # in operators that other programs know
        return torch.relu(query @ key.transpose(1, 2)).softmax(-1) @ value
    attended: Tensor = _attend(query, key, value)
    return attended


def _runs(query: Tensor, keys: int) -> Iterator[tuple[int, slice]]:
    """Walk through the queries: which attention, and a run of its queries whose scores are held at a time."""
    held = _SCORES_PER_THREAD * torch.get_num_threads() if query.device.type == "cpu" else _SCORES_ELSEWHERE
    most = max(_LEAST_QUERIES, held // keys)
    for attention in range(query.shape[0]):
        for first in range(0, query.shape[1], most):
            yield attention, slice(first, first + most)


# The schemas are written out as in :mod:`segsr_arch.archs.hat.fused_attention`.
@torch.library.custom_op(
    "segsr::rectified_attention", mutates_args=(), schema="(Tensor query, Tensor key, Tensor value) -> Tensor"
)
def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    key, value = key.contiguous(), value.contiguous()
    attended = query.new_empty(query.shape)
    for attention, run in _runs(query, key.shape[1]):
        scores = torch.mm(query[attention, run], key[attention].t()).relu_()
        torch.mm(scores.softmax(-1), value[attention], out=attended[attention, run])
    return attended


@torch.library.custom_op(
    "segsr::rectified_attention_backward",
    mutates_args=(),
    schema="(Tensor gradient, Tensor query, Tensor key, Tensor value) -> (Tensor, Tensor, Tensor)",
)
def _attend_backward(gradient: Tensor, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    # Half precision is computed in float32: differences of probabilities and sums over all queries need it.
    work_type = torch.promote_types(query.dtype, torch.float32)
    inputs = [tensor.to(work_type).contiguous() for tensor in (gradient, query, key, value)]
    query_gradient, key_gradient, value_gradient = (torch.zeros_like(tensor) for tensor in inputs[1:])
    for attention, run in _runs(query, key.shape[1]):
        g, q, k, v = inputs[0][attention, run], inputs[1][attention, run], inputs[2][attention], inputs[3][attention]
        scores = torch.mm(q, k.t()).relu_()
        weights = scores.softmax(-1)
        value_gradient[attention].addmm_(weights.t(), g)
        of_scores = torch.mm(g, v.t())
        torch.ops.aten._softmax_backward_data.out(of_scores, weights, -1, work_type, grad_input=of_scores)
        of_scores = torch.ops.aten.threshold_backward(of_scores, scores, 0)
        torch.mm(of_scores, k, out=query_gradient[attention, run])
        key_gradient[attention].addmm_(of_scores.t(), q)
    return query_gradient.to(query.dtype), key_gradient.to(key.dtype), value_gradient.to(value.dtype)


@_attend.register_fake
def _(query: Tensor, *_others: Any) -> Tensor:
    return query.new_empty(query.shape)


@_attend_backward.register_fake
def _(gradient: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor.new_empty(tensor.shape) for tensor in inputs)


@register_flop_formula(torch.ops.segsr.rectified_attention)
def _count_flops(query_shape: Sequence[int], key_shape: Sequence[int], *_others: Any, out_shape: Any = None) -> int:
    attentions, queries, width = query_shape
    return 2 * 2 * attentions * queries * key_shape[1] * width


def _save(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    gradients: tuple[Tensor, Tensor, Tensor] = _attend_backward(gradient, *ctx.saved_tensors)
    return gradients


_attend.register_autograd(_differentiate, setup_context=_save)
