"""Multi-head self-attention with one linear layer each for query, key and value.

open_clip keeps the three projections of a block in one bare parameter, which LoRA cannot reach. Here they are
plain linear layers with the same weights, and the product runs in torch's fused kernel.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ProjectedAttention(nn.Module):
    """Self-attention (SeG-SR eq. 3) with separate ``q_proj``, ``k_proj``, ``v_proj`` and ``out_proj``.

    Args:
        embed_dim: Width of the tokens; divisible by ``num_heads``.
        num_heads: Number of heads.
    """

    def __init__(self, *, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim)
        self.k_proj = nn.Linear(embed_dim, embed_dim)
        self.v_proj = nn.Linear(embed_dim, embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)

    @classmethod
    def from_multihead(cls, attention: nn.MultiheadAttention) -> "ProjectedAttention":
        """Copy the weights of a ``torch.nn.MultiheadAttention`` with one width for query, key and value."""
        split = cls(embed_dim=attention.embed_dim, num_heads=attention.num_heads)
        layers = (split.q_proj, split.k_proj, split.v_proj)
        with torch.no_grad():
            for layer, weight, bias in zip(
                layers, attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True
            ):
                layer.weight.copy_(weight)
                layer.bias.copy_(bias)
            split.out_proj.load_state_dict(attention.out_proj.state_dict())
        return split

    def _heads(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        return tokens.view(batch, count, self.num_heads, width // self.num_heads).transpose(1, 2)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        """Attend; the signature is that of ``nn.MultiheadAttention``, so that open_clip's blocks can call it.

        Args:
            query: Tokens (B, N, C).
            key: Tokens (B, N, C); the query where not given.
            value: Tokens (B, N, C); the query where not given.
            need_weights: Accepted and ignored: no weights are returned.
            attn_mask: Additive mask that broadcasts to (B, heads, N, N).

        Returns:
            The tokens (B, N, C) and ``None`` in the place of the weights.
        """
        key = query if key is None else key
        value = query if value is None else value
        attended = F.scaled_dot_product_attention(
            self._heads(self.q_proj(query)),
            self._heads(self.k_proj(key)),
            self._heads(self.v_proj(value)),
            attn_mask=attn_mask,
        )
        return self.out_proj(attended.transpose(1, 2).flatten(2)), None


def split_attention(transformer_blocks: nn.ModuleList) -> nn.ModuleList:
    """Replace the attention of every block in place by :class:`ProjectedAttention` with the same weights.

    Args:
        transformer_blocks: open_clip's ``visual.transformer.resblocks``.

    Returns:
        The same list, changed.
    """
    for block in transformer_blocks:
        attention: Any = block.attn
        block.attn = ProjectedAttention.from_multihead(attention)
    return transformer_blocks
