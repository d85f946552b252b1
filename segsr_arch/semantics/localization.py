"""Semantic Localization Module (SLM): one localization embedding for each unit (SeG-SR eq. 5-7)."""

import torch
from torch import Tensor, nn

from segsr_arch.errors import ConfigError


class MetaNet(nn.Module):
    """Fuses the global descriptor with the global semantic feature (SeG-SR eq. 5).

    Args:
        embed_dim: Joint width C.
        reduction: The bottleneck of the perceptron is C / reduction.
    """

    def __init__(self, *, embed_dim: int, reduction: int) -> None:
        super().__init__()
        hidden = max(1, embed_dim // reduction)
        self.perceptron = nn.Sequential(nn.Linear(embed_dim, hidden), nn.ReLU(), nn.Linear(hidden, embed_dim))
        self.scale = nn.Linear(embed_dim, embed_dim)
        self.shift = nn.Linear(embed_dim, embed_dim)
        self.projection = nn.Linear(embed_dim, embed_dim)

    def forward(self, global_descriptor: Tensor, global_feature: Tensor) -> Tensor:
        """Scale and shift the descriptor (C,) by what the image is about (B, C); returns (B, C)."""
        context = self.perceptron(global_feature)
        return self.projection(self.scale(context) * global_descriptor + self.shift(context))


class SemanticLocalization(nn.Module):
    """SLM: learnable descriptors, refined by the image's global feature, become one embedding a unit.

    The descriptors start from a standard normal distribution: the attention has no residual path (eq. 6), so
    descriptors that start close together would give every unit the same embedding.

    Args:
        num_units: Number k of units.
        embed_dim: Joint width C of the vision-language model; divisible by ``num_heads``.
        num_heads: Heads of the self-attention over the k + 1 descriptors.
        reduction: Bottleneck reduction of the MetaNet.

    Raises:
        ConfigError: If C is not divisible by the number of heads.
    """

    def __init__(self, *, num_units: int, embed_dim: int, num_heads: int = 8, reduction: int = 16) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ConfigError(
                f"semantics: num_heads: {num_heads} does not divide the vision-language model's joint width "
                f"{embed_dim}; choose a divisor of it."
            )
        self.global_descriptor = nn.Parameter(torch.randn(embed_dim))
        self.local_descriptors = nn.Parameter(torch.randn(num_units, embed_dim))
        self.meta_net = MetaNet(embed_dim=embed_dim, reduction=reduction)
        self.attention = nn.MultiheadAttention(embed_dim, num_heads, batch_first=True)
        self.gate = nn.Linear(embed_dim, embed_dim)
        self.content = nn.Linear(embed_dim, embed_dim)
        self.fusion = nn.Linear(embed_dim, embed_dim)

    def forward(self, global_feature: Tensor) -> Tensor:
        """Compute the localization embeddings.

        Args:
            global_feature: I_g (B, C).

        Returns:
            The embeddings e_1..e_k (B, k, C).
        """
        refined_global = self.meta_net(self.global_descriptor, global_feature)
        local = self.local_descriptors.to(refined_global.dtype).expand(len(refined_global), -1, -1)
        descriptors = torch.cat([refined_global.unsqueeze(1), local], dim=1)
        attended, _ = self.attention(descriptors, descriptors, descriptors, need_weights=False)
        return self.fusion(torch.sigmoid(self.gate(attended[:, 1:])) * self.content(attended[:, :1]))
