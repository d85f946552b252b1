"""HAT as a whole."""

from typing import Any

from torch import nn

from segsr_arch.archs.hat.hybrid import HybridTransformer
from segsr_arch.archs.hat.options import HATOptions
from segsr_arch.archs.parts.channel_attention import ChannelAttentionBlock
from segsr_arch.option_fields import takes_fields_of


class HATNetwork(HybridTransformer):
    """Hybrid Attention Transformer (Chen et al., "Activating More Pixels in Image Super-Resolution Transformer").

    Computes the same as the public HAT with the same weights and has its state-dict names.

    Args:
        arguments: Fields of :class:`~segsr_arch.archs.hat.options.HATOptions`.

    Raises:
        ConfigError: If an argument is wrong.
    """

    options_type = HATOptions
    options: HATOptions
    subtracts_mean = True

    @takes_fields_of(HATOptions)
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)

    def make_conv_block(self, heads: int) -> nn.Module:
        """Make the channel attention of a block."""
        channels, options = self.options.embed_dim, self.options
        return ChannelAttentionBlock(
            dim=channels,
            compressed=int(channels // options.compress_ratio),
            squeezed=int(channels // options.squeeze_factor),
        )
