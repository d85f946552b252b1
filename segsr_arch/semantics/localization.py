"""Semantic Localization Module (SLM): one localization embedding for each unit (SeG-SR eq. 5-7)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
        fused: Tensor = self.projection(self.scale(context) * global_descriptor + self.shift(context))
        return fused


class SemanticLocalization(nn.Module):
    """SLM: learnable descriptors, refined by the image's global feature, become one embedding a unit.

    The descriptors start from a standard normal distribution: the attention has no residual path (eq. 6), so
    descriptors that start close together would give every unit the same embedding.

    With fewer ``descriptors`` (table VI) the same layers work on what is left: without I_g, p_g enters the attention
    as it is; without p_g, I_g takes its place; without either, e_i = Linear(p_i*); without p_i, every unit gets
    e = Linear(Linear(p_g*)), and the attention, over p_g' alone, weighs nothing.

    Args:
        num_units: Number k of units.
        embed_dim: Joint width C of the vision-language model; divisible by ``num_heads``.
        num_heads: Heads of the self-attention over the descriptors.
        reduction: Bottleneck reduction of the MetaNet.
        descriptors: Which of the vectors p_i, p_g and I_g take part, as in :data:`~.config.DESCRIPTORS`.
        residual: Whether the descriptors are added to what the attention gives.
        gate_gain: What the gate's weights are multiplied by at the start. With small ones the sigmoid is near 0.5 for
            every p_i*, and all embeddings are near one vector.
        past_gate: Whether p_i reaches e_i past the gate, too (not in the paper): the direction of p_i is added to that
            of eq. 7 with a learned weight. Descriptors start orthogonal and the weight at 2, so units that have all
            else in common start with a cosine of 1 / (1 + 2^2) = 0.2, and the image still has its share.

    Raises:
        ConfigError: If C is not divisible by the number of heads.
    """

    def __init__(
        self,
        *,
        num_units: int,
        embed_dim: int,
        num_heads: int = 8,
        reduction: int = 16,
        descriptors: str = "p_i+p_g+I_g",
        residual: bool = False,
        gate_gain: float = 1.0,
        past_gate: bool = False,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ConfigError(
                f"semantics: num_heads: {num_heads} does not divide the vision-language model's joint width "
                f"{embed_dim}; choose a divisor of it."
            )
        parts = descriptors.split("+")
        self.num_units = num_units
        self.residual = residual
        has_local, has_global = "p_i" in parts, "p_g" in parts or "I_g" in parts
        self.global_descriptor = nn.Parameter(torch.randn(embed_dim)) if "p_g" in parts else None
        self.local_descriptors = nn.Parameter(torch.randn(num_units, embed_dim)) if has_local else None
        fuses = "p_g" in parts and "I_g" in parts
        self.meta_net = MetaNet(embed_dim=embed_dim, reduction=reduction) if fuses else None
        self.attention = nn.MultiheadAttention(embed_dim, num_heads, batch_first=True)
        self.gate = nn.Linear(embed_dim, embed_dim) if has_local and has_global else None
        self.content = nn.Linear(embed_dim, embed_dim) if has_global else None
        self.fusion = nn.Linear(embed_dim, embed_dim)
        self.descriptor_weight = nn.Parameter(torch.full((num_units, 1), 2.0)) if has_local and past_gate else None
        with torch.no_grad():
            if self.gate is not None and gate_gain != 1:
                self.gate.weight.mul_(gate_gain)
            if self.local_descriptors is not None and self.descriptor_weight is not None:
                nn.init.orthogonal_(self.local_descriptors, gain=embed_dim**0.5)  # as long as normal ones

    def _global_vector(self, global_feature: Tensor) -> Tensor:
        """What takes the place of p_g' (B, C) in the attention."""
        if self.meta_net is not None:
            fused: Tensor = self.meta_net(self.global_descriptor, global_feature)
            return fused
        if self.global_descriptor is None:
            return global_feature
        return self.global_descriptor.to(global_feature.dtype).expand(global_feature.shape[0], -1)

    def forward(self, global_feature: Tensor) -> Tensor:
        """Compute the localization embeddings.

        Args:
            global_feature: I_g (B, C).

        Returns:
            The embeddings e_1..e_k (B, k, C).
        """
        vectors = [] if self.content is None else [self._global_vector(global_feature).unsqueeze(1)]
        if self.local_descriptors is not None:
            like = vectors[0] if vectors else global_feature
            vectors.append(self.local_descriptors.to(like.dtype).expand(global_feature.shape[0], -1, -1))
        descriptors = torch.cat(vectors, dim=1)
        attended, _ = self.attention(descriptors, descriptors, descriptors, need_weights=False)
        if self.residual:
            attended = attended + descriptors
        if self.content is not None:
            content = self.content(attended[:, :1])
            attended = content if self.gate is None else torch.sigmoid(self.gate(attended[:, 1:])) * content
        embeddings: Tensor = self.fusion(attended)
        if self.local_descriptors is None:
            return embeddings.expand(-1, self.num_units, -1)
        if self.descriptor_weight is None:
            return embeddings
        past = F.normalize(self.local_descriptors.float(), dim=-1) * self.descriptor_weight.float()
        return F.normalize(embeddings.float(), dim=-1) + past
