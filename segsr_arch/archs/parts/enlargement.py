"""What networks begin and end with: the mean of the images, and the convolutions that enlarge."""

import torch
from torch import Tensor, nn

# Mean of DIV2K, which the public networks subtract from RGB.
_RGB_MEAN = (0.4488, 0.4371, 0.4040)


def image_mean(channels: int) -> Tensor:
    """Mean of images with so many channels: that of DIV2K for three, else zero.

    Returns:
        (1, 3, 1, 1) or (1, 1, 1, 1).
    """
    return (torch.tensor(_RGB_MEAN) if channels == 3 else torch.zeros(1)).view(1, -1, 1, 1)


def make_upsampler(upscale: int, channels: int) -> nn.Sequential:
    """Make convolutions and pixel shuffles that enlarge (B, C, H, W) by 1, 2, 3, 4 or 8 in steps of two or three."""
    steps = [3] if upscale == 3 else [2] * (upscale.bit_length() - 1)
    layers: list[nn.Module] = []
    for step in steps:
        layers += [nn.Conv2d(channels, step * step * channels, 3, padding=1), nn.PixelShuffle(step)]
    return nn.Sequential(*layers)
