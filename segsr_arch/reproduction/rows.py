"""A row of a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from segsr_arch.reproduction.variants import Variant


@dataclass(frozen=True, kw_only=True)
class PaperValues:
    """What the paper reports, on its own random split of the data.

    Attributes:
        ssim: SSIM.
        psnr: PSNR in dB.
    """

    ssim: float
    psnr: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a table.

    Attributes:
        label: What the paper, or we, call it.
        variant: The network.
        paper: The paper's values by scale.
        paper_classes: Its values at x4 by class, in its order; none where it does not tell them.
        study: Whether it is for the study of the guide in small (``docs/guide.md``), so that ``options/ablation`` has
            no file of it.
    """

    label: str
    variant: Variant
    paper: Mapping[int, PaperValues] = field(default_factory=dict)
    paper_classes: Mapping[str, PaperValues] = field(default_factory=dict)
    study: bool = False
