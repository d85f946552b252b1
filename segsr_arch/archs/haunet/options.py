"""The arguments of HAUNet: what each of them does, and what is checked before anything is built."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from segsr_arch.archs.parts.network_options import Demand, NetworkOptions
from segsr_arch.option_fields import option


@dataclass(frozen=True, kw_only=True)
class HAUNetOptions(NetworkOptions):
    """The arguments of HAUNet.

    Raises:
        ConfigError: If some are wrong; all of them are named, each with a remedy.
    """

    network: ClassVar[str] = "HAUNet"

    upscale: int = option(4, help="scale s: 1, 2, 3, 4 or 8")
    in_chans: int = option(3, help="channels of input and output")
    width: int = option(96, help="channels C, of every scale")
    encoders: Sequence[int] = option(
        (5, 5), help="blocks of each encoder, from the finest scale to coarser ones; each halves height and width"
    )
    middle: int = option(
        10, help="blocks of the coarsest scale, an even number: half before the scales interact, half after"
    )
    decoders: Sequence[int] = option(
        (5, 5), help="blocks of each decoder, from coarse to fine; as many entries as encoders"
    )
    heads: Sequence[int] = option(
        (1, 2, 4), help="attention heads of each scale, the finest first: one entry more than encoders"
    )
    interaction_heads: int = option(2, help="attention heads where the scales interact")
    use_checkpoint: bool = option(False, help="compute each stage again in the backward pass, to save memory")

    def _demands(self) -> list[Demand]:
        return [
            *self._scale("upscale"),
            *self._counts("in_chans", "width", "middle", "interaction_heads"),
            *self._lists_of_counts("encoders", "decoders", "heads", each="scale"),
        ]

    def _wrong_together(self) -> list[str]:
        count, problems = len(self.encoders), []
        if self.middle % 2:
            problems.append(f"middle: {self.middle}: give an even number.")
        if len(self.decoders) != count:
            problems.append(f"decoders: {list(self.decoders)}: give as many entries as encoders has ({count}).")
        if len(self.heads) != count + 1:
            problems.append(f"heads: {list(self.heads)}: give one entry more than encoders has ({count + 1}).")
        named = [("heads", heads) for heads in dict.fromkeys(self.heads)]
        for name, heads in [*named, ("interaction_heads", self.interaction_heads)]:
            if self.width % heads:
                problems.append(f"{name}: {heads}: give a divisor of width ({self.width}).")
        return problems
