"""The two attentions of HAT: within (shifted) windows, and from windows to larger overlapping ones.

Both keep features as (B, H, W, C) and cost one copy of the tokens into windows and one back. The weights of ``qkv``
and ``proj`` are padded on the fly so that the channels of a head fill whole vector registers (30 become 32): zeros
that change no result, but make the matrix products of the attention a third faster. Therefore these two linear layers
are read, not called: forward hooks on them, or wrappers in their place, have no effect.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segsr_arch.archs.hat.fused_attention import relative_bias, window_attention
from segsr_arch.archs.hat.geometry import WindowOrder, permute_rows
from segsr_arch.archs.parts.perceptron import make_linear

_HEAD_ALIGNMENT = 8


class _HeadProjections(nn.Module):
    """What the two attentions share: the position table and the way to heads and back."""

    fixed_bias: Tensor | None

    def __init__(self, *, dim: int, window: int, heads: int, table_rows: int, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.tokens = window * window
        self.scale = (dim // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.empty(table_rows, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.qkv = make_linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = make_linear(dim, dim)
        self.register_buffer("fixed_bias", None, persistent=False)
        self._padding = -(dim // heads) % _HEAD_ALIGNMENT

    def fix_bias(self, index: Tensor, mask: Tensor | None) -> None:
        """Look up the position bias once for all following calls, which then ignore the table: for inference alone.

        Args:
            index: As in ``forward``.
            mask: As in ``forward``; ``None`` if there is one kind of window.
        """
        with torch.no_grad():
            bias = relative_bias(self.relative_position_bias_table, index, self.tokens)
            self.fixed_bias = bias if mask is None else (bias + mask.unsqueeze(1)).to(bias.dtype)

    def attend_in_windows(
        self, query: Tensor, key_value: Tensor, windows: WindowOrder, index: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Attend from the queries of each window to its keys.

        Args:
            query: (W * N, heads * d).
            key_value: (W * M, 2 * heads * d).
            windows: order of the queries in windows.
            index: (N * M,) int64, rows of the position table.
            mask: (K, N, M), added to the scores of the windows of each kind, or ``None`` if there is one kind.

        Returns:
            (W, N, heads, d).
        """
        query = query.view(-1, self.tokens, self.heads, query.shape[1] // self.heads)
        key_value = key_value.view(-1, index.shape[0] // self.tokens, 2, self.heads, query.shape[3])
        order = windows.counts, self.scale, windows.kinds
        if self.fixed_bias is not None:
            return window_attention(query, key_value, self.fixed_bias, None, None, *order)
        return window_attention(query, key_value, self.relative_position_bias_table, index, mask, *order)

    def to_heads(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Project tokens (..., C) to padded heads: (..., heads * d) and (..., 2 * heads * d)."""
        weight = F.pad(torch.unflatten(self.qkv.weight, 0, (3, self.heads, -1)), (0, 0, 0, self._padding))
        bias = self.qkv.bias
        query_bias = key_bias = None
        if bias is not None:
            query_bias, key_bias = torch.split(F.pad(bias.view(3, self.heads, -1), (0, self._padding)), [1, 2])
            query_bias, key_bias = query_bias.flatten(), key_bias.flatten()
        query_weight, key_weight = torch.split(weight, [1, 2])
        return (
            F.linear(queries, query_weight.flatten(0, 2), query_bias),
            F.linear(keys, key_weight.flatten(0, 2), key_bias),
        )

    def from_heads(self, attended: Tensor) -> Tensor:
        """Project (W, N, heads, d) to tokens (W * N, C)."""
        weight = F.pad(torch.unflatten(self.proj.weight, 1, (self.heads, -1)), (0, self._padding)).flatten(1)
        return F.linear(attended.flatten(2).flatten(0, 1), weight, self.proj.bias)

    def extra_repr(self) -> str:
        """Describe the heads in the printed network."""
        return f"heads={self.heads}"


class WindowAttention(_HeadProjections):
    """Self-attention within the windows of an order (HAT: (S)W-MSA).

    Args:
        dim: channels C.
        window: window side in tokens.
        heads: attention heads, a divisor of ``dim``.
        qkv_bias: whether query, key and value have a bias.
    """

    def __init__(self, *, dim: int, window: int, heads: int, qkv_bias: bool) -> None:
        super().__init__(dim=dim, window=window, heads=heads, table_rows=(2 * window - 1) ** 2, qkv_bias=qkv_bias)

    def forward(self, x: Tensor, windows: WindowOrder, index: Tensor, mask: Tensor | None) -> Tensor:
        """Attend.

        Args:
            x: (B, H, W, C).
            windows: order of the tokens in windows.
            index: rows of the position table, see :class:`~segsr_arch.archs.hat.geometry.WindowPlan`.
            mask: (kinds, N, N), added to the scores of the windows of each kind, or ``None`` if there is one kind.

        Returns:
            (B, H, W, C).
        """
        rows = permute_rows(x.reshape(-1, x.shape[3]), windows.order, windows.inverse)
        query, key_value = self.to_heads(rows, rows)
        attended = self.attend_in_windows(query, key_value, windows, index, mask)
        return permute_rows(self.from_heads(attended), windows.inverse, windows.order).view(x.shape)


class OverlappingAttention(_HeadProjections):
    """Attention from each window to a larger one around it (HAT: OCA). Keys beyond the border are zero.

    Args:
        dim: channels C.
        window: side of the query windows in tokens.
        key_window: side of the key windows in tokens.
        heads: attention heads, a divisor of ``dim``.
        qkv_bias: whether query, key and value have a bias.
    """

    def __init__(self, *, dim: int, window: int, key_window: int, heads: int, qkv_bias: bool) -> None:
        super().__init__(
            dim=dim, window=window, heads=heads, table_rows=(window + key_window - 1) ** 2, qkv_bias=qkv_bias
        )

    def attend(self, x: Tensor, windows: WindowOrder, keys: Tensor, margin: int, index: Tensor) -> Tensor:
        """Attend.

        Args:
            x: (B, H, W, C).
            windows: order of the queries in windows.
            keys: which padded tokens are the keys of each window.
            margin: zero padding of the keys on each side.
            index: rows of the position table.

        Returns:
            (B, H, W, C).
        """
        rows = permute_rows(x.reshape(-1, x.shape[3]), windows.order, windows.inverse)
        query, key_value = self.to_heads(rows, x)
        key_value = F.pad(key_value, (0, 0, margin, margin, margin, margin)).flatten(0, 2).index_select(0, keys)
        attended = self.attend_in_windows(query, key_value, windows, index, None)
        return permute_rows(self.from_heads(attended), windows.inverse, windows.order).view(x.shape)
