"""What the attentions of HAUNet share: vectors of length one, and weights between channels."""

import torch
from torch import Tensor, nn

# Shorter vectors are not made longer; the least number is one that float16 has, too.
_SHORTEST = 1e-6


def unit_vectors(x: Tensor, dim: int) -> Tensor:
    """Scale the vectors along a dimension to length one; their lengths are computed in float32."""
    lengths = torch.linalg.vector_norm(x, dim=dim, keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32))
    units: Tensor = x / lengths.clamp_min(_SHORTEST).to(x.dtype)
    return units


def to_heads(x: Tensor, heads: int) -> Tensor:
    """View (B, H, W, heads * c) as (B, heads, HW, c)."""
    return torch.unflatten(x.flatten(1, 2), 2, (heads, -1)).transpose(1, 2)


def from_heads(x: Tensor, height: int, width: int) -> Tensor:
    """Bring (B, heads, HW, c) back to (B, H, W, heads * c)."""
    return torch.unflatten(x.transpose(1, 2).flatten(2), 1, (height, width))


def channel_weights(query: Tensor, key: Tensor, temperature: Tensor) -> Tensor:
    """Weights between channels by how alike they are over the image: ``softmax(relu(t cos(q_i, k_j)))``.

    Args:
        query: (B, heads, N, c).
        key: (B, heads, N, d).
        temperature: (heads, 1, 1), t.

    Returns:
        (B, heads, d, c), each column of which sums to 1: values (..., d) times this are (..., c).
    """
    scores = unit_vectors(key, 2).transpose(2, 3) @ unit_vectors(query, 2)
    return torch.relu(scores * temperature.to(scores.dtype)).softmax(2)


def depthwise(channels: int) -> nn.Conv2d:
    """Make a 3x3 convolution of each channel by itself."""
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
