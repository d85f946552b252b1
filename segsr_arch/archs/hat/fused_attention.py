"""Attention within windows with an additive bias that is shared by many windows.

Scores of all windows at once would be the largest tensors of HAT, and torch's fused kernel on CPUs gives the bias no
gradient: with a bias to be trained, torch stores all scores. So on the CPU the gradients come from here, where the
windows are worked through a few at a time: their scores are computed again and never leave the cache. The forward
pass is torch's fused kernel. Other devices use torch for both.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from segsr_arch.tracing import is_exporting

# Scores that one thread holds at a time: 0.8 MB in float32, twice. Fewer would mean more, shorter pieces between which
# the threads wait for each other, which costs more than the caches gain.
_SCORES_PER_THREAD = 200_000
# Logarithm of a probability below which it stops to count, and a number just above that probability.
_NEGLIGIBLE = 80.0
_LEAST_PROBABILITY = 2e-35


def relative_bias(table: Tensor, index: Tensor, queries: int) -> Tensor:
    """Look up the bias of each head for each pair of query and key.

    Args:
        table: (rows, heads).
        index: (N * M,) int64, not negative.
        queries: tokens N of a window.

    Returns:
        (1, heads, N, M).
    """
    return table.t().index_select(1, index).view(1, table.shape[1], queries, -1)


def window_attention(
    query: Tensor,
    key_value: Tensor,
    bias: Tensor,
    index: Tensor | None,
    mask: Tensor | None,
    counts: Sequence[int],
    scale: float,
    kinds: Tensor | None = None,
) -> Tensor:
    """Softmax attention in windows: ``softmax(scale * q k^T + bias + mask) v`` for every window and head.

    Args:
        query: (W, N, heads, d), W windows of N queries.
        key_value: (W, M, 2, heads, d), keys and values of each window, of the dtype of ``query``.
        bias: (K, heads, N, M), one bias for each kind of window, or (1, heads, N, M) for all of them, or with an
            ``index`` a table (rows, heads): what is looked up in it is not kept for the backward pass.
        index: (N * M,) int64, row of the table for each pair of query and key; ``None`` if ``bias`` is no table.
        mask: (K, N, M) float, added to the bias for each kind, a constant; ``None``: nothing.
        counts: number of windows of each of the K kinds, in order; their sum is W.
        scale: factor on the scores before the bias.
        kinds: (W,) int64, kind of each window where they are in no order, in programs of torch.export alone.

    Returns:
        (W, N, heads, d), differentiable once with respect to the first three tensors.
    """
    if is_exporting():
        return _attend_for_export(query, key_value, _looked_up(bias, index, query), mask, kinds, scale)
    if query.device.type == "cpu":
        attended: Tensor = _attend(query, key_value, bias, index, mask, list(counts), scale)[0]
        return attended
    return _attend_by_torch(query, key_value, _looked_up(bias, index, query), mask, counts, scale)


def _looked_up(bias: Tensor, index: Tensor | None, query: Tensor) -> Tensor:
    return bias if index is None else relative_bias(bias, index, query.shape[1])


def _attend_by_torch(
    query: Tensor, key_value: Tensor, bias: Tensor, mask: Tensor | None, counts: Sequence[int], scale: float
) -> Tensor:
    outputs = [
        F.scaled_dot_product_attention(q, k, v, attn_mask=b.to(q.dtype), scale=scale)
        for q, k, v, b in _kinds(query, key_value, bias, mask, counts)
    ]
    return _join([output.transpose(1, 2) for output in outputs])


def _attend_for_export(
    query: Tensor, key_value: Tensor, bias: Tensor, mask: Tensor | None, kinds: Tensor | None, scale: float
) -> Tensor:
    """The same in torch's own operators, which other programs know, and with nothing that depends on the sizes."""
    bias = bias if mask is None else bias + mask.unsqueeze(1)
    if kinds is not None and bias.shape[0] > 1:
        bias = bias.index_select(0, kinds)
    query, (key, value) = query.transpose(1, 2), key_value.permute(2, 0, 3, 1, 4).unbind()
    scores = query @ key.transpose(2, 3) * scale + bias
    return (scores.softmax(-1) @ value).transpose(1, 2)


def _bias_of(bias: Tensor, mask: Tensor | None, kind: int) -> Tensor:
    """What is added to the scores of windows of one kind: (heads, N, M)."""
    of_kind = bias[kind if len(bias) > 1 else 0]
    return of_kind if mask is None else of_kind + mask[kind]


def _kinds(
    query: Tensor, key_value: Tensor, bias: Tensor, mask: Tensor | None, counts: Sequence[int]
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Queries, keys and values (w, heads, N or M, d) of the windows of each kind that has some, and their bias."""
    counts = list(counts)
    query, (key, value) = query.transpose(1, 2), key_value.permute(2, 0, 3, 1, 4).unbind()
    for kind, part in enumerate(zip(*(torch.split(each, counts) for each in (query, key, value)), strict=True)):
        if counts[kind]:
            yield *part, _bias_of(bias, mask, kind).unsqueeze(0)


def _join(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _runs(counts: Sequence[int], most: int) -> Iterator[tuple[int, slice]]:
    """Walk through the windows in runs of at most so many of one kind: the kind, and which windows."""
    start = 0
    for kind, count in enumerate(counts):
        for first in range(start, start + count, most):
            yield kind, slice(first, min(first + most, start + count))
        start += count


def _probabilities(
    query: Tensor, key: Tensor, bias: Tensor, logsumexp: Tensor, scale: float, penalised: bool, *, out: Tensor
) -> Tensor:
    """Attention matrices of a run of w windows once more, from what the forward pass has left.

    Args:
        query: (w * heads, N, d).
        key: (w * heads, M, d).
        bias: (heads, N, M).
        logsumexp: (w, heads, N), logarithm of the sum of the exponentials of each row's scores.
        scale: As in :func:`window_attention`.
        penalised: Whether some tokens hardly count, because the bias says so. Then probabilities below e^-80 become
            zero: the penalty of -100 on tokens from the opposite border would else make subnormal numbers, each of
            which costs a hundred times as much as another.
        out: Where they are written to, (w * heads, N, M).
    """
    torch.sub(bias, logsumexp.unsqueeze(-1), out=torch.unflatten(out, 0, (-1, len(bias))))
    out.baddbmm_(query, key.transpose(1, 2), alpha=scale)
    if not penalised:
        return out.exp_()
    out.clamp_(min=-_NEGLIGIBLE).exp_()  # torch's exponential is slow where its result is subnormal or zero
    return torch.threshold_(out, _LEAST_PROBABILITY, 0.0)


# The schemas are written out, because torch reads collections.abc.Sequence from annotations only since 2.7. They say
# the types of the operators below; what the arguments are says window_attention.
_ARGUMENTS = "Tensor query, Tensor key_value, Tensor bias, Tensor? index, Tensor? mask, SymInt[] counts, float scale"


@torch.library.custom_op(
    "segsr::window_attention", mutates_args=(), device_types="cpu", schema=f"({_ARGUMENTS}) -> (Tensor, Tensor)"
)
def _attend(
    query: Tensor,
    key_value: Tensor,
    bias: Tensor,
    index: Tensor | None,
    mask: Tensor | None,
    counts: Sequence[int],
    scale: float,
) -> tuple[Tensor, Tensor]:
    bias = _looked_up(bias, index, query)
    # The kernel itself, and not scaled_dot_product_attention, for the logarithms of the rows' sums, and because it
    # takes a bias in float32 beside bfloat16.
    pairs = [
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, attn_mask=b, scale=scale)
        for q, k, v, b in _kinds(query, key_value, bias, mask, counts)
    ]
    attended = _join([output.transpose(1, 2) for output, _ in pairs])
    return attended.contiguous(), _join([sums for _, sums in pairs]).contiguous()


@torch.library.custom_op(
    "segsr::window_attention_backward",
    mutates_args=(),
    device_types="cpu",
    schema=f"(Tensor gradient, Tensor logsumexp, {_ARGUMENTS}) -> (Tensor, Tensor, Tensor)",
)
def _attend_backward(
    gradient: Tensor,
    logsumexp: Tensor,
    query: Tensor,
    key_value: Tensor,
    bias: Tensor,
    index: Tensor | None,
    mask: Tensor | None,
    counts: Sequence[int],
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    table, bias = bias, _looked_up(bias, index, query)
    heads, *score_shape = bias.shape[1:]
    query_gradient, key_value_gradient = torch.empty_like(query), torch.empty_like(key_value)
    # Half precision is computed in float32: the exponentials are faster, and the sum over windows needs it.
    work_type = torch.promote_types(query.dtype, torch.float32)
    bias_gradient = torch.zeros_like(bias, dtype=work_type)
    biases = [_bias_of(bias, mask, kind).to(work_type) for kind in range(len(counts))]
    penalised = [bool(of_kind.amin() < -_NEGLIGIBLE) for of_kind in biases]
    inputs = [tensor.transpose(1, 2).to(work_type) for tensor in (query, gradient, *key_value.unbind(2))]
    outputs = [tensor.transpose(1, 2) for tensor in (query_gradient, *key_value_gradient.unbind(2))]
    most = max(1, _SCORES_PER_THREAD * torch.get_num_threads() // bias[0].numel())
    shapes = score_shape, score_shape, inputs[0].shape[2:], inputs[2].shape[2:]
    scratch = [query.new_empty(min(most, sum(counts)), heads, *shape, dtype=work_type) for shape in shapes]
    for kind, run in _runs(counts, most):
        q, g, k, v = (tensor[run].flatten(0, 1) for tensor in inputs)
        to_q, to_k, to_v = (tensor[run] for tensor in outputs)
        by_window = [tensor[: len(to_q)] for tensor in scratch]
        weights, scores, q_product, k_product = (tensor.flatten(0, 1) for tensor in by_window)
        _probabilities(q, k, biases[kind], logsumexp[run], scale, penalised[kind], out=weights)
        torch.bmm(weights.transpose(1, 2), g, out=k_product)
        to_v.copy_(by_window[3])
        torch.bmm(g, v.transpose(1, 2), out=scores)
        torch.ops.aten._softmax_backward_data.out(scores, weights, -1, work_type, grad_input=scores)
        for of_window in by_window[1].unbind():
            bias_gradient[kind if len(bias) > 1 else 0].add_(of_window)
        torch.bmm(scores, k, out=q_product)
        torch.mul(by_window[2], scale, out=to_q)
        torch.bmm(scores.transpose(1, 2), q, out=k_product)
        torch.mul(by_window[3], scale, out=to_k)
    if index is not None:
        sums = bias_gradient.new_zeros(heads, len(table))
        bias_gradient = sums.scatter_add_(1, index.expand(heads, -1), bias_gradient.view(heads, -1)).t().contiguous()
    return query_gradient, key_value_gradient, bias_gradient


@_attend.register_fake
def _(query: Tensor, *_others: Any) -> tuple[Tensor, Tensor]:
    windows, rows, heads, _ = query.shape
    sums_type = torch.promote_types(query.dtype, torch.float32)
    return query.new_empty(query.shape), query.new_empty((windows, heads, rows), dtype=sums_type)


@_attend_backward.register_fake
def _(
    gradient: Tensor, logsumexp: Tensor, query: Tensor, key_value: Tensor, bias: Tensor, *_others: Any
) -> tuple[Tensor, Tensor, Tensor]:
    bias_gradient = torch.empty_like(bias, dtype=torch.promote_types(query.dtype, torch.float32))
    return query.new_empty(query.shape), key_value.new_empty(key_value.shape), bias_gradient


@register_flop_formula(torch.ops.segsr.window_attention)
def _count_flops(
    query_shape: Sequence[int], key_value_shape: Sequence[int], *_others: Any, out_shape: Any = None
) -> int:
    windows, rows, heads, width = query_shape
    return 2 * 2 * windows * heads * rows * key_value_shape[1] * width


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    query, key_value, bias, index, mask, ctx.counts, ctx.scale = inputs
    ctx.save_for_backward(output[1], query, key_value, bias, index, mask)


def _differentiate(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    logsumexp, query, key_value, bias, index, mask = ctx.saved_tensors
    *gradients, bias_gradient = _attend_backward(
        gradient, logsumexp, query, key_value, bias, index, mask, ctx.counts, ctx.scale
    )
    return *gradients, bias_gradient.to(bias.dtype), None, None, None, None


_attend.register_autograd(_differentiate, setup_context=_save)
