"""What is contrasted: features of an image alone, into which no HR image can leak through noised latents.

Noised latents of the HR image show it, whatever noise is drawn, so that LR and HR features would be alike without
either having read the image. Here they are noise alone, or do not enter at all.
"""

from torch import Tensor, nn

from segsr_arch.diffusion.steering.control import ControlEncoder, ControlStem


class ContrastFeatures(nn.Module):
    """Features of an image at HR size.

    Args:
        stem: Reads the image.
        control: The middle of this ControlNet gives the features; ``None`` for those of the stem.
    """

    def __init__(self, stem: ControlStem, control: ControlEncoder | None) -> None:
        super().__init__()
        self.stem = stem
        self.control = control

    @property
    def width(self) -> int:
        """Channels of the features."""
        return self.stem.plain_channels if self.control is None else self.control.width

    def forward(self, image: Tensor, noise: Tensor, t: Tensor, silence: Tensor) -> Tensor:
        """Compute features before the zero convolutions.

        Args:
            image: (B, 3, H, W), RGB in [0, 1].
            noise: Standard normal (B, C, h, w) in place of latents.
            t: Time steps (B,): the last one.
            silence: Of no caption (1, 77, D).

        Returns:
            (B, width, h', w').
        """
        read = self.stem(image)
        if self.control is None:
            plain: Tensor = read.plain
            return plain
        deepest: Tensor = self.control(noise, t, silence.expand(len(image), -1, -1), read.features).deepest
        return deepest
