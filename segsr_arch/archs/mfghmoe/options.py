"""The arguments of MFG-HMoE: what each of them does, and what is checked before anything is built."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from segsr_arch.archs.hat.options import HATOptions
from segsr_arch.archs.parts.network_options import Demand
from segsr_arch.option_fields import option

GATES = ("learned", "hard")


@dataclass(frozen=True, kw_only=True)
class MFGHMoEOptions(HATOptions):
    """The arguments of MFG-HMoE: HAT's, and those of the experts.

    Raises:
        ConfigError: If some are wrong; all of them are named, each with a remedy.
    """

    network: ClassVar[str] = "MFG-HMoE"

    in_chans: int = option(3, help="channels of input and output")
    expert_kernels: Sequence[int] = option((1, 3), help="side of the experts' convolutions, odd, for each group")
    num_experts: int = option(16, help="experts of all groups together, a multiple of their number")
    gate: str = option(
        "learned",
        help="what chooses the expert of a pixel: learned (one that is trained) or hard (one that stays as it began, "
        "as in published code)",
        choices=GATES,
    )

    def _demands(self) -> list[Demand]:
        return [
            *super()._demands(),
            *self._counts("num_experts"),
            *self._lists_of_counts("expert_kernels", each="group of experts"),
            ("gate", self.gate in GATES, f"give {' or '.join(GATES)}."),
        ]

    def _wrong_together(self) -> list[str]:
        problems, groups = super()._wrong_together(), len(self.expert_kernels)
        if any(kernel % 2 == 0 for kernel in self.expert_kernels):
            problems.append(f"expert_kernels: {list(self.expert_kernels)}: give odd numbers.")
        if self.num_experts % groups:
            problems.append(
                f"num_experts: {self.num_experts}: give a multiple of the number of expert_kernels ({groups})."
            )
        return problems
