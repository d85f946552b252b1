"""Attention of each pixel of a UNet to what a ControlNet sees, at each resolution of the decoder (PASD, 3.3)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

_HEAD_WIDTH = 64  # and more where channels are no multiple of it


class PixelAttention(nn.Module):
    """Adds to features what they find in others of the same size; nothing before training.

    Args:
        channels: Of the features.
        control_channels: Of those that are looked at.
        groups: Of the normalisation.
    """

    def __init__(self, *, channels: int, control_channels: int, groups: int) -> None:
        super().__init__()
        most = max(channels // _HEAD_WIDTH, 1)
        self.heads = next(heads for heads in range(most, 0, -1) if channels % heads == 0)
        self.norm = nn.GroupNorm(groups, channels)
        self.norm_control = nn.GroupNorm(groups, control_channels)
        self.queries = nn.Conv2d(channels, channels, 1)
        self.keys_and_values = nn.Conv2d(control_channels, 2 * channels, 1)
        self.leave = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, control: Tensor) -> Tensor:
        """Attend from each pixel to all of another map.

        Args:
            features: (B, C, h, w).
            control: (B, C', h, w).

        Returns:
            (B, C, h, w).
        """
        queries = self._tokens(self.queries(self.norm(features)))
        keys, values = map(self._tokens, self.keys_and_values(self.norm_control(control)).chunk(2, dim=1))
        found = F.scaled_dot_product_attention(queries, keys, values)
        added: Tensor = self.leave(found.transpose(-1, -2).reshape(features.shape))
        return features + added

    def _tokens(self, features: Tensor) -> Tensor:
        """From (B, C, h, w) to (B, heads, h * w, C / heads)."""
        return features.reshape(features.shape[0], self.heads, -1, features[0, 0].numel()).transpose(-1, -2)


class DecoderAttention(nn.Module):
    """A :class:`PixelAttention` behind each block of the decoder of a UNet.

    Args:
        unet: ``UNet2DConditionModel`` of diffusers; not changed.
    """

    def __init__(self, unet: Any) -> None:
        super().__init__()
        widths, groups = unet.config.block_out_channels, unet.config.norm_num_groups
        # A block of the decoder ends at the resolution of the next finer one; the last one has no finer.
        self._levels = [max(level - 1, 0) for level in reversed(range(len(widths)))]
        self.blocks = nn.ModuleList(
            PixelAttention(channels=channels, control_channels=widths[level], groups=groups)
            for channels, level in zip(reversed(widths), self._levels, strict=True)
        )

    @contextmanager
    def attending(self, unet: Any, levels: Sequence[Tensor]) -> Iterator[None]:
        """Let the decoder of a UNet look at features while the block runs.

        Args:
            unet: The UNet, which is as before afterwards.
            levels: Features of each resolution from the finest on, as
                :class:`~segsr_arch.diffusion.steering.control.ControlOutput` has them.
        """
        parts = zip(unet.up_blocks, self.blocks, self._levels, strict=True)
        hooks = [up.register_forward_hook(partial(_attend, block, levels[level])) for up, block, level in parts]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _attend(block: nn.Module, control: Tensor, _module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
    attended: Tensor = block(output, control)
    return attended
