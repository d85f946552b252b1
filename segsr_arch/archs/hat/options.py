"""The arguments of HAT and its relatives: what each of them does, and what is checked before anything is built."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from segsr_arch.archs.parts.network_options import Demand, NetworkOptions, is_count
from segsr_arch.option_fields import option
from segsr_arch.option_keys import is_number


@dataclass(frozen=True, kw_only=True)
class HybridOptions(NetworkOptions):
    """The arguments of HAT that its relatives have, too.

    Raises:
        ConfigError: If some are wrong; all of them are named, each with a remedy.
    """

    upscale: int = option(4, help="scale s: 1, 2, 3, 4 or 8")
    in_chans: int = option(3, help="channels of input and output")
    img_size: int = option(
        64,
        help="side of the LR patches of the training; it changes nothing unless it is window_size: then no block "
        "shifts its windows",
        unit="LR pixels",
    )
    img_range: float = option(1.0, help="the input minus mean is multiplied by it, the output divided")
    embed_dim: int = option(180, help="channels C")
    depths: Sequence[int] = option((6, 6, 6, 6, 6, 6), help="hybrid blocks of each group; as many groups as entries")
    num_heads: Sequence[int] = option((6, 6, 6, 6, 6, 6), help="attention heads of each group")
    window_size: int = option(16, help="side of an attention window", unit="LR pixels")
    conv_scale: float = option(0.01, help="weight of what stands beside the window attention of a block")
    overlap_ratio: float = option(0.5, help="the windows of overlapping keys are larger by this part of window_size")
    mlp_ratio: float = option(2, help="hidden channels of the MLPs in multiples of embed_dim")
    qkv_bias: bool = option(True, help="whether query, key and value have a bias")
    drop_path_rate: float = option(
        0.1, help="stochastic depth rate of the last block, below 1; it rises linearly from 0 at the first"
    )
    upsampler: str = option("pixelshuffle", help="pixelshuffle, the only one there is")
    resi_connection: str = option(
        "1conv", help="1conv (3x3 convolution at the end of each group and of all) or identity"
    )
    use_checkpoint: bool = option(False, help="compute each group again in the backward pass, to save memory")

    def _demands(self) -> list[Demand]:
        dropped, overlap, ends = self.drop_path_rate, self.overlap_ratio, ("1conv", "identity")
        return [
            *self._counts("in_chans", "embed_dim", "window_size"),
            *self._lists_of_counts("depths", "num_heads"),
            *self._above_zero("img_range", "mlp_ratio"),
            *self._scale("upscale"),
            (
                "drop_path_rate",
                is_number(dropped) and 0 <= dropped < 1,
                "give a number from 0 up to, not including, 1.",
            ),
            ("upsampler", self.upsampler == "pixelshuffle", f"{self.network} has only pixelshuffle."),
            ("resi_connection", self.resi_connection in ends, f"give {' or '.join(ends)}."),
            ("overlap_ratio", is_number(overlap) and overlap >= 0, "give a number of at least 0."),
        ]

    def _wrong_together(self) -> list[str]:
        count, channels, window = len(self.depths), self.embed_dim, self.window_size
        problems = []
        if count != len(self.num_heads):
            problems.append(f"num_heads: {list(self.num_heads)}: give as many entries as depths has ({count}).")
        for heads in dict.fromkeys(self.num_heads):
            if channels % heads:
                problems.append(f"num_heads: {heads}: give a divisor of embed_dim ({channels}).")
        if channels * self.mlp_ratio < 1:
            problems.append(f"mlp_ratio: {self.mlp_ratio!r}: give at least 1 / embed_dim.")
        overlap = int(window * self.overlap_ratio)
        if overlap % 2:
            problems.append(
                f"overlap_ratio: {self.overlap_ratio!r}: window_size * overlap_ratio is {overlap}; make it even, so "
                f"that it is the same on both sides."
            )
        if not (is_count(self.img_size) and self.img_size >= window):
            problems.append(
                f"img_size: {self.img_size!r}: give at least window_size ({window}); images of any size work "
                f"nevertheless."
            )
        return problems


@dataclass(frozen=True, kw_only=True)
class HATOptions(HybridOptions):
    """The arguments of HAT, those included that the public option files of HAT and SeG-SR carry.

    Raises:
        ConfigError: If some are wrong; all of them are named, each with a remedy.
    """

    network: ClassVar[str] = "HAT"

    in_chans: int = option(3, help="channels of input and output; with 3, the mean of DIV2K is subtracted")
    compress_ratio: float = option(3, help="channel compression in the channel attention blocks")
    squeeze_factor: float = option(30, help="channel compression in their channel attention")

    def _wrong_together(self) -> list[str]:
        problems = super()._wrong_together()
        for name in ("compress_ratio", "squeeze_factor"):
            ratio = getattr(self, name)
            if not (is_number(ratio) and 0 < ratio <= self.embed_dim):
                problems.append(f"{name}: {ratio!r}: give a number above 0 and at most embed_dim ({self.embed_dim}).")
        return problems
