"""What networks of this package ask of the images that they are given."""

from torch import Tensor

from segsr_arch.errors import ConfigError


def check_rgb(lq: Tensor, who: str) -> None:
    """Refuse images (B, C, H, W) of another number of channels than three.

    Raises:
        ConfigError: If there are more or fewer; the message says who needs them.
    """
    if lq.shape[1] != 3:
        raise ConfigError(f"{who} needs RGB: input (B, 3, H, W), got {tuple(lq.shape)}.")
