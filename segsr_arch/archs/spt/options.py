"""The arguments of SPT: what each of them does, and what is checked before anything is built."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from segsr_arch.archs.parts.network_options import Demand, NetworkOptions
from segsr_arch.option_fields import option


@dataclass(frozen=True, kw_only=True)
class SPTOptions(NetworkOptions):
    """The arguments of SPT.

    Raises:
        ConfigError: If some are wrong; all of them are named, each with a remedy.
    """

    network: ClassVar[str] = "SPT"

    upscale: int = option(4, help="scale s: 1, 2, 3, 4 or 8")
    in_chans: int = option(3, help="channels of input and output; with 3, the mean of DIV2K is subtracted")
    img_range: float = option(1.0, help="the input minus mean is multiplied by it, the output divided")
    embed_dim: int = option(96, help="channels C")
    depths: Sequence[int] = option((3, 3, 3, 3, 3, 3), help="layers of each block; as many blocks as entries")
    num_heads: int = option(
        6, help="each head has embed_dim / num_heads channels; inner_dim holds fewer heads than embed_dim would"
    )
    inner_dim: int = option(64, help="channels of the attention in a layer, and of the channel attention beside it")
    mlp_ratio: float = option(2, help="hidden channels of the MLPs in multiples of embed_dim")
    qkv_bias: bool = option(True, help="whether query, key and value have a bias")
    use_checkpoint: bool = option(False, help="compute each block again in the backward pass, to save memory")

    @property
    def inner_heads(self) -> int:
        """Attention heads of a layer."""
        return self.inner_dim * self.num_heads // self.embed_dim

    def _demands(self) -> list[Demand]:
        return [
            *self._scale("upscale"),
            *self._counts("in_chans", "embed_dim", "num_heads", "inner_dim"),
            *self._lists_of_counts("depths", each="block"),
            *self._above_zero("img_range", "mlp_ratio"),
        ]

    def _wrong_together(self) -> list[str]:
        channels, problems = self.embed_dim, []
        if channels % self.num_heads:
            problems.append(f"num_heads: {self.num_heads}: give a divisor of embed_dim ({channels}).")
        elif self.inner_dim % (width := channels // self.num_heads):
            problems.append(
                f"inner_dim: {self.inner_dim}: give a multiple of {width}, the channels of a head "
                f"(embed_dim / num_heads)."
            )
        if channels * self.mlp_ratio < 1:
            problems.append(f"mlp_ratio: {self.mlp_ratio!r}: give at least 1 / embed_dim.")
        return problems
