"""Attention of channels to channels of which each one keeps its best only (TTST: top-k token selective attention)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc

# Shares of the keys that are kept, each by a selection of its own.
_SHARES = ((1, 2), (2, 3), (3, 4), (4, 5))
_START_WEIGHT = 0.2  # of each selection in their sum
_LEAST_NORM = 1e-4


class TokenSelectiveAttention(nn.Module):
    """Top-k token selective attention (TTST: TTSA).

    A token is a channel of a head over the whole image. Scores are cosines times a learned temperature; of the scores
    of a query, four selections keep the best half, two thirds, three quarters and four fifths, each is normalised by a
    softmax of its own, and their sum with learned weights weighs the values. The best are looked for once: the largest
    selection holds the others, and sums along its order are the denominators of all.

    Args:
        dim: channels C.
        heads: attention heads, a divisor of ``dim``.
        bias: whether the linear layers and the depthwise convolution have a bias.
    """

    steps: Tensor

    def __init__(self, *, dim: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(dim, 3 * dim, 1, bias=bias)
        self.qkv_dwconv = nn.Conv2d(3 * dim, 3 * dim, 3, padding=1, groups=3 * dim, bias=bias)
        self.project_out = nn.Conv2d(dim, dim, 1, bias=bias)
        self.attn1, self.attn2, self.attn3, self.attn4 = (nn.Parameter(torch.tensor([_START_WEIGHT])) for _ in _SHARES)
        self._kept = [max(1, dim // heads * part // whole) for part, whole in _SHARES]
        steps = torch.arange(max(self._kept)) < torch.tensor(self._kept).unsqueeze(1)
        self.register_buffer("steps", steps.float(), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Attend; the two 1x1 convolutions are read, not called.

        Args:
            x: (B, H, W, C).

        Returns:
            (B, H, W, C), and no weights of channels, see :class:`~segsr_arch.archs.hat.blocks.HybridAttentionBlock`.
        """
        mixed = F.linear(x, self.qkv.weight.flatten(1), self.qkv.bias)
        mixed = to_nhwc(self.qkv_dwconv(to_nchw(mixed))).flatten(1, 2)
        query, key, value = torch.chunk(mixed, 3, 2)
        # Values are weighed and projected by one product: the weights of an image go into the projection.
        projection = torch.unflatten(self.project_out.weight.flatten(1), 1, (self.heads, -1)).transpose(0, 1)
        projection = projection @ self._weights(query, key).to(projection.dtype)
        projected = value @ projection.transpose(2, 3).flatten(1, 2).to(value.dtype)
        if self.project_out.bias is not None:
            projected = projected + self.project_out.bias
        return projected.view(x.shape), None

    def _weights(self, query: Tensor, key: Tensor) -> Tensor:
        """What each value counts for each query, (B, heads, d, d) in float32 or more; queries and keys (B, HW, C)."""
        dtype = torch.promote_types(query.dtype, torch.float32)
        # Only the keys are made unit vectors, so that float16 holds the products; the queries' norms come afterwards.
        query_norm, key_norm = (
            torch.linalg.vector_norm(each, dim=1, dtype=dtype).clamp_min(_LEAST_NORM) for each in (query, key)
        )
        key = key / key_norm.to(key.dtype).unsqueeze(1)
        query, key = (torch.unflatten(each, 2, (self.heads, -1)).transpose(1, 2) for each in (query, key))
        cosines = (query.transpose(2, 3) @ key).to(dtype) / torch.unflatten(query_norm, 1, (self.heads, -1, 1))
        scores, places = torch.topk(cosines * self.temperature.to(dtype), max(self._kept), dim=3)
        exponentials = (scores - scores[..., :1]).exp()
        sums = exponentials.cumsum(3)
        shares = torch.cat([self.attn1, self.attn2, self.attn3, self.attn4]).to(dtype)
        factors = torch.cat([shares[i] / sums[..., kept - 1 : kept] for i, kept in enumerate(self._kept)], 3)
        return torch.zeros_like(cosines).scatter(3, places, exponentials * (factors @ self.steps.to(dtype)))
