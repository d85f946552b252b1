"""Where every token of an image goes: window orders, relative positions and the shift mask."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from segsr_arch.tracing import is_exporting

# What the public HAT adds to the score of two tokens that only the cyclic shift brought together.
SHIFT_PENALTY = -100.0


class WindowOrder(NamedTuple):
    """One way to cut a batch of images into windows, as a permutation of its B*H*W tokens.

    Attributes:
        order: (B*H*W,) int64, the token that each window slot takes.
        inverse: (B*H*W,) int64, the window slot of each token.
        counts: number of windows of each mask kind; windows of one kind are neighbours, kinds ascend.
        kinds: (windows,) int64, kind of each window where they are not sorted, because a program of torch.export must
            not depend on how many windows of a kind there are; else ``None``.
    """

    order: Tensor
    inverse: Tensor
    counts: list[int]
    kinds: Tensor | None = None


class WindowPlan(NamedTuple):
    """All that the blocks need to know about the size of the input; made once per forward pass.

    Attributes:
        plain: windows on the regular grid, one kind.
        shifted: windows on the grid shifted by half a window, four kinds (see :func:`shift_mask`).
        keys: (B*windows*M,) int64, for each window of ``plain`` its M overlapping key tokens, as indices into the
            batch padded on each side by ``key_margin``.
        key_margin: zero padding around the keys, in tokens.
        self_index: (N*N,) int64, row of the relative position table for each query-key pair within a window.
        cross_index: (N*M,) int64, the same for the overlapping windows; never negative.
        mask: (4, N, N), what is added to the scores of ``shifted``.
    """

    plain: WindowOrder
    shifted: WindowOrder
    keys: Tensor
    key_margin: int
    self_index: Tensor
    cross_index: Tensor
    mask: Tensor


class _PermuteRows(torch.autograd.Function):
    """Rows in another order; the gradient is a gather as well, where index_select alone would scatter and add."""

    @staticmethod
    def forward(rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        return rows.index_select(0, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[2])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient.index_select(0, ctx.saved_tensors[0]), None, None


def permute_rows(rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    """Bring the rows of a matrix into another order with one copy, in the backward pass too.

    Args:
        rows: (R, C).
        order: (R,) int64, a permutation.
        inverse: (R,) int64, the inverse permutation of ``order``.

    Returns:
        (R, C), row i of which is row ``order[i]`` of the input.
    """
    permuted: Tensor = _PermuteRows.apply(rows, order, inverse)
    return permuted


def self_position_index(window: int) -> Tensor:
    """Row of the relative position table for each pair of tokens of a window, as the public HAT stores it.

    Args:
        window: window side in tokens.

    Returns:
        (window^2, window^2) int64 in [0, (2*window-1)^2).
    """
    return _position_index(window, window, 2 * window - 1, window - 1, query_sign=1)


def cross_position_index(window: int, key_window: int) -> Tensor:
    """Row of the relative position table for each query of a window and key of its overlapping window.

    The public HAT stores partly negative numbers here, which count from the end of the table; kept as they are,
    because they are part of its state dict.

    Args:
        window: window side in tokens.
        key_window: side of the overlapping window, at least ``window``.

    Returns:
        (window^2, key_window^2) int64, in [-T, T) with T = (window+key_window-1)^2 rows of the table.
    """
    return _position_index(window, key_window, window + key_window - 1, window - key_window + 1, query_sign=-1)


def _position_index(window: int, key_window: int, pitch: int, offset: int, query_sign: int) -> Tensor:
    query, key = torch.arange(window), torch.arange(key_window)
    distance = query_sign * (query[:, None] - key[None, :]) + offset
    rows, columns = distance[:, None, :, None], distance[None, :, None, :]
    return (rows * pitch + columns).reshape(window * window, key_window * key_window)


def shift_mask(window: int) -> Tensor:
    """Scores to add in shifted windows, where tokens from opposite borders of the image meet.

    It depends only on whether a window lies in the last row or column of windows, hence four kinds whatever the
    size of the image: 0 neither, 1 last column, 2 last row, 3 both.

    Args:
        window: window side in tokens; the shift is ``window // 2``.

    Returns:
        (4, window^2, window^2) float32, 0 or -100.
    """
    wrapped = torch.arange(window) >= window - window // 2
    inside = torch.zeros_like(wrapped)
    kinds = []
    for rows in (inside, wrapped):
        for columns in (inside, wrapped):
            region = (rows[:, None] * 2 + columns[None, :] * 1).flatten()
            kinds.append((region[:, None] != region[None, :]) * SHIFT_PENALTY)
    return torch.stack(kinds)


def _constant(value: int, device: torch.device) -> Tensor:
    # ONNX takes a remainder by a tensor, but none by a number that follows from the size of the input.
    return torch.full((), value, dtype=torch.long, device=device)


def _grid(batch: int, rows: int, columns: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Image, row and column of each window of a batch, each (windows,) int64."""
    number = torch.arange(batch * rows * columns, device=device)
    count, width = _constant(rows, device), _constant(columns, device)
    return number // (count * width), number // width % count, number % width


def _order(
    batch: int, height: int, width: int, window: int, *, shift: int, device: torch.device, sort: bool
) -> WindowOrder:
    """Cut images into windows; shifted ones are of four kinds, as in :func:`shift_mask`, each of them one run."""
    rows, columns = height // window, width // window
    image, row, column = _grid(batch, rows, columns, device)
    counts, kinds = [batch * rows * columns], None
    if shift:
        counts = [batch * count for count in ((rows - 1) * (columns - 1), rows - 1, columns - 1, 1)]
        kinds = 2 * (row == rows - 1).long() + (column == columns - 1).long()
        if sort:
            image, row, column = (place[kinds.argsort(stable=True)] for place in (image, row, column))
            kinds = None
    along = torch.arange(window, device=device)
    y = (row.unsqueeze(1) * window + along + shift) % _constant(height, device)
    x = (column.unsqueeze(1) * window + along + shift) % _constant(width, device)
    order = (((image * height).unsqueeze(1) + y) * width).unsqueeze(2) + x.unsqueeze(1)
    order = order.flatten()
    inverse = torch.empty_like(order).scatter(0, order, torch.arange(batch * height * width, device=device))
    return WindowOrder(order=order, inverse=inverse, counts=counts, kinds=kinds)


def make_plan(
    batch: int, height: int, width: int, window: int, self_index: Tensor, cross_index: Tensor, mask: Tensor
) -> WindowPlan:
    """Lay out the windows for one input size.

    Args:
        batch: number of images.
        height: padded height in tokens, a multiple of ``window``.
        width: padded width in tokens, a multiple of ``window``.
        window: window side in tokens.
        self_index: result of :func:`self_position_index`.
        cross_index: result of :func:`cross_position_index`.
        mask: result of :func:`shift_mask`.

    Returns:
        The plan, on the device of ``self_index``.
    """
    device = self_index.device
    key_window = round(cross_index.shape[1] ** 0.5)
    margin = (key_window - window) // 2
    layout: dict[str, Any] = {"batch": batch, "height": height, "width": width, "window": window, "device": device}
    sort = not is_exporting()
    return WindowPlan(
        plain=_order(**layout, shift=0, sort=sort),
        shifted=_order(**layout, shift=window // 2, sort=sort),
        keys=_keys(**layout, key_window=key_window, margin=margin),
        key_margin=margin,
        self_index=self_index.flatten(),
        cross_index=cross_index.flatten() % (window + key_window - 1) ** 2,
        mask=mask,
    )


def _keys(
    batch: int, height: int, width: int, window: int, *, key_window: int, margin: int, device: torch.device
) -> Tensor:
    padded_height, padded_width = height + 2 * margin, width + 2 * margin
    image, row, column = _grid(batch, height // window, width // window, device)
    along = torch.arange(key_window, device=device)
    y, x = row.unsqueeze(1) * window + along, column.unsqueeze(1) * window + along
    return ((((image * padded_height).unsqueeze(1) + y) * padded_width).unsqueeze(2) + x.unsqueeze(1)).flatten()
