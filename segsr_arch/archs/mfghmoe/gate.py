"""What chooses an expert for each pixel in two stages: first a group of experts, then one of the group."""

import torch
from torch import Tensor, nn

from segsr_arch.archs.parts.perceptron import make_linear


class DualGate(nn.Module):
    """Dual routing (MFG-HMoE): the most probable group, and the most probable expert of that group.

    Args:
        dim: channels C of the features that it reads.
        groups: number of groups.
        experts: number of experts of each group.
    """

    def __init__(self, *, dim: int, groups: int, experts: int) -> None:
        super().__init__()
        self.w_group_gate = make_linear(dim, groups)
        self.w_expert_gates = nn.ModuleList(make_linear(dim, experts) for _ in range(groups))
        self.group_embedding = nn.Embedding(groups, dim)

    def forward(self, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Choose.

        Args:
            levels: (R, C), features of R pixels.

        Returns:
            The chosen expert of each pixel (R,) int64, and the probabilities of all experts (R, groups * experts),
            never in half precision, group by group: that of the group times that within the group.
        """
        dtype = torch.promote_types(levels.dtype, torch.float32)
        of_groups = self.w_group_gate(levels).softmax(1, dtype=dtype)
        told = levels.unsqueeze(1) + self.group_embedding.weight
        within = torch.stack([gate(told[:, place]) for place, gate in enumerate(self.w_expert_gates)], 1)
        within = within.softmax(2, dtype=dtype)
        group = of_groups.argmax(1, keepdim=True)
        expert = within.argmax(2).gather(1, group)
        return (group * within.shape[2] + expert).squeeze(1), (of_groups.unsqueeze(2) * within).flatten(1)
