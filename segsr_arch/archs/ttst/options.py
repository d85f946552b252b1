"""The arguments of TTST: what each of them does, and what is checked before anything is built."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from segsr_arch.archs.hat.options import HybridOptions
from segsr_arch.archs.parts.network_options import Demand
from segsr_arch.option_fields import option

FEED_FORWARDS = ("multiscale", "mlp")


@dataclass(frozen=True, kw_only=True)
class TTSTOptions(HybridOptions):
    """The arguments of TTST, most of them HAT's.

    Raises:
        ConfigError: If some are wrong; all of them are named, each with a remedy.
    """

    network: ClassVar[str] = "TTST"

    depths: Sequence[int] = option((6, 6, 6, 6, 6, 6), help="blocks of each group; as many groups as entries")
    window_size: int = option(8, help="side of an attention window", unit="LR pixels")
    conv_scale: float = option(0.01, help="weight of the token selective attention of a block")
    mlp_ratio: float = option(
        2, help="hidden channels of the MLPs in multiples of embed_dim; multiscale has none but that of each group"
    )
    feed_forward: str = option(
        "multiscale",
        help="feed-forward layer of each block: multiscale (the paper's) or mlp (HAT's, as published weights have it)",
        choices=FEED_FORWARDS,
    )
    multiscale_ratio: float = option(
        0.8, help="hidden channels of multiscale in multiples of embed_dim, rounded to a multiple of 3"
    )
    global_context: bool = option(
        True, help="whether a group ends with global context attention, which published weights do not have"
    )

    @property
    def multiscale_channels(self) -> int:
        """Hidden channels of the multi-scale feed-forward layer."""
        return 3 * max(1, round(self.embed_dim * self.multiscale_ratio / 3))

    def _demands(self) -> list[Demand]:
        return [
            *super()._demands(),
            ("feed_forward", self.feed_forward in FEED_FORWARDS, f"give {' or '.join(FEED_FORWARDS)}."),
            *self._above_zero("multiscale_ratio"),
        ]

    def _wrong_together(self) -> list[str]:
        problems = super()._wrong_together()
        if self.global_context and self.embed_dim < 2:
            problems.append(f"embed_dim: {self.embed_dim}: give at least 2, or global_context: false.")
        return problems
