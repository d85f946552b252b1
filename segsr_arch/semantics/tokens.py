"""What patch tokens have in common, and tokens without it, which a localization embedding can tell apart better.

Tokens of contrastive models lie off the origin (Levi and Gilboa, The Double-Ellipsoid Geometry of CLIP), and a few
directions carry most of what is left: cosines with one embedding are then a constant plus little, and those with
different embeddings are alike.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segsr_arch.errors import ConfigError
from segsr_arch.semantics.processes import mean_over_processes

TOKENS = ("raw", "centred", "reduced", "whitened")
_LONGEST_MEMORY = 100  # steps; before that, all steps count alike
_SHRINKAGE = 0.01  # of the mean variance, added to that of each direction before whitening: few tokens know few


class TokenStatistics(nn.Module):
    """Takes from patch tokens of unit length what the tokens of training had in common.

    The statistics are those of the latest hundred steps or so, this one among them, and stand still in evaluation, so
    an image is guided alike whatever else is in its batch. They are buffers: a checkpoint has them, a resumed training
    goes on with them. The processes of a distributed training have the same ones, of what all of them see; they run as
    many steps each. Before the first step nothing is taken.

    Args:
        embed_dim: Joint width C of the vision-language model.
        kind: ``centred``: the mean is subtracted; ``reduced``: and the first principal directions are removed;
            ``whitened``: and all directions are brought to about the same variance.
        removed: How many directions ``reduced`` removes.

    Raises:
        ConfigError: If it removes all of them.
    """

    count: Tensor
    mean: Tensor
    second_moment: Tensor
    transform: Tensor

    def __init__(self, *, embed_dim: int, kind: str, removed: int = 0) -> None:
        super().__init__()
        if kind == "reduced" and removed >= embed_dim:
            raise ConfigError(
                f"semantics: removed_components: {removed}: the vision-language model's joint width is {embed_dim}, so "
                f"it must be less."
            )
        self.kind, self.removed = kind, removed
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(embed_dim))
        if kind != "centred":
            self.register_buffer("second_moment", torch.zeros(embed_dim, embed_dim))
            self.register_buffer("transform", torch.eye(embed_dim))

    @torch.no_grad()
    def _learn(self, tokens: Tensor) -> None:
        """Take unit tokens (N, C) into the statistics."""
        self.count.add_(1)
        weight = 1 / self.count.clamp_max(_LONGEST_MEMORY)
        mean = mean_over_processes(tokens.mean(dim=0))
        self.mean.lerp_(mean.to(self.mean.dtype), weight.to(self.mean.dtype))
        if self.kind == "centred":
            return
        moment = mean_over_processes(tokens.T @ tokens / len(tokens)).to(self.second_moment.dtype)
        self.second_moment.lerp_(moment, weight.to(moment.dtype))
        mean = self.mean.float()
        variances, directions = torch.linalg.eigh(self.second_moment.float() - torch.outer(mean, mean))
        if self.kind == "reduced":
            kept = directions[:, : len(mean) - self.removed]  # eigh has the largest last
        else:
            variances = variances.clamp_min(0)
            kept = directions * (variances + _SHRINKAGE * variances.mean() + 1e-8) ** -0.25  # twice, as its square root
        self.transform.copy_(kept @ kept.T)

    def forward(self, local_features: Tensor) -> Tensor:
        """Give tokens without what they have in common.

        Args:
            local_features: I_l (B, C, Hc, Wc).

        Returns:
            (B, C, Hc, Wc) float32; their length means nothing.
        """
        with torch.autocast(local_features.device.type, enabled=False):
            tokens = F.normalize(local_features.float(), dim=1).movedim(1, -1)
            if self.training:
                self._learn(tokens.detach().flatten(0, 2))
            return self.turn(tokens - self.mean.float()).movedim(-1, 1)

    def turn(self, differences: Tensor) -> Tensor:
        """Change differences (..., C) between vectors of the joint space as those between unit tokens are changed."""
        return differences if self.kind == "centred" else differences @ self.transform.float()
