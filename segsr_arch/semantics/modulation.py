"""How a unit's features take the guide's signal: by the Learnable Modulation Module (LMM, SeG-SR eq. 9) or addition."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LearnableModulation(nn.Module):
    """LMM of one unit: ``gain(M) * LayerNorm(F) + bias(M)``, the normalisation over the channels of F.

    The last two convolutions start at zero weights with a gain bias of one, so an untrained module only normalises.
    With a ``residual`` it is ``F + gain(M) * LayerNorm(F) + bias(M)``, gain and bias from zero: an untrained module
    changes nothing, whatever the map (not in the paper).

    Args:
        channels: Channel count F of the unit's output.
        hidden_channels: Channels of the shared convolution.
        in_channels: Channels of what modulates: 1 for a guidance map, F for projected features (table IV, row 3).
        layer_norm: Whether the features are normalised; if not, an untrained module changes nothing.
        residual: Whether the modulated features are added to F and do not replace it.
    """

    def __init__(
        self,
        *,
        channels: int,
        hidden_channels: int = 128,
        in_channels: int = 1,
        layer_norm: bool = True,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.layer_norm = layer_norm
        self.residual = residual
        self.shared = nn.Conv2d(in_channels, hidden_channels, 3, padding=1)
        self.gain = nn.Conv2d(hidden_channels, channels, 3, padding=1)
        self.bias = nn.Conv2d(hidden_channels, channels, 3, padding=1)
        for layer, start in ((self.gain, 0.0 if residual else 1.0), (self.bias, 0.0)):
            weight, bias = layer.parameters()
            nn.init.zeros_(weight)
            nn.init.constant_(bias, start)

    def forward(self, features: Tensor, guidance_map: Tensor) -> Tensor:
        """Modulate the features of a unit.

        Args:
            features: (B, H, W, F), channels last.
            guidance_map: (B, in_channels, H, W): cosine similarities in [-1, 1], or projected features.

        Returns:
            The modulated features (B, H, W, F).
        """
        signal = guidance_map.to(self.shared.weight.dtype).contiguous(memory_format=torch.channels_last)
        hidden = F.relu(self.shared(signal))
        gain = self.gain(hidden).permute(0, 2, 3, 1)
        bias = self.bias(hidden).permute(0, 2, 3, 1)
        normalised = F.layer_norm(features, (self.channels,)) if self.layer_norm else features
        modulated = torch.addcmul(bias.to(normalised.dtype), gain.to(normalised.dtype), normalised)
        return features + modulated if self.residual else modulated


class FeatureAddition(nn.Module):
    """Adds projected features to those of a unit (table IV, row 2); it has no parameters."""

    def forward(self, features: Tensor, projected: Tensor) -> Tensor:
        """Add (B, F, H, W) to the features (B, H, W, F)."""
        return features + projected.permute(0, 2, 3, 1).to(features.dtype)
