"""What networks take and what can be made of them, declared once: on their classes, or here for those of others.

A network of your own says it in its class, ``capabilities = Capabilities(units=("body",), size_multiple=8)``; for one
whose class is not yours: ``FOREIGN["TheirNet"] = Capabilities(...)``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # command lines offer what is declared here before they import torch
    from torch import nn

PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}  # and what torch calls them


@dataclass(frozen=True, kw_only=True)
class SizeRule:
    """What sides of LR images must be.

    Attributes:
        multiple: Every side is a multiple of this.
        minimum: Every side has at least so many pixels; a multiple of ``multiple``.
    """

    multiple: int = 1
    minimum: int = 1

    def holds(self, height: int, width: int) -> bool:
        """Whether an image of this size keeps to the rule."""
        return all(side >= self.minimum and side % self.multiple == 0 for side in (height, width))

    def nearest(self, side: int) -> tuple[int, ...]:
        """The sides that keep to the rule around one that does not."""
        below = side // self.multiple * self.multiple
        return tuple(value for value in (below, below + self.multiple) if value >= self.minimum) or (self.minimum,)

    def padded(self, side: int) -> int:
        """The least side that keeps to the rule and is not below this one."""
        return max(-(-side // self.multiple) * self.multiple, self.minimum)

    def __str__(self) -> str:
        parts = [f"multiples of {self.multiple}"] if self.multiple > 1 else []
        parts += [f"at least {self.minimum} pixels"] if self.minimum > max(self.multiple, 1) else []
        return " and ".join(parts) or "any number of pixels"


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What is known of a network before it runs.

    Attributes:
        takes_any_size: Whether it takes images of any size from one pixel on; one that needs more pads them by itself,
            and cuts the result.
        size_multiple: Its callers pad the sides of LR images to multiples of this, or of what it returns for the
            network; where it would pad by itself, too, tiles lie on its grid so.
        smallest_side: Its callers pad to at least so many pixels.
        trial_size: Height and width of the LR image on which it is tried once, for networks that do not take any; best
            unequal, and free of what could be a number of channels.
        precisions: Those of :data:`PRECISIONS` in which it can be run, its weights cast once.
        exportable: Whether it can become a program for images of any size: nothing in it depends on numbers that hold
            for one size alone.
        learns: Whether it has weights, without which it is of no use.
        units: Paths of the ``ModuleList`` or ``Sequential`` whose entries may be guided, in the order in which the
            network runs them; a path of any other module is an entry by itself. Entries of another class than the first
            at the end, such as the convolution that closes the body of many networks, do not count.
        whole: Those of ``units`` that are one entry in spite of their own entries.
        training_only: Attributes that hold modules which images do not go through: moving averages and their entries in
            checkpoints have ``None`` instead, and the network loads such entries.
    """

    takes_any_size: bool = False
    size_multiple: int | Callable[[Any], int] = 1
    smallest_side: int = 1
    trial_size: tuple[int, int] | None = None
    precisions: tuple[str, ...] = tuple(PRECISIONS)
    exportable: bool = True
    learns: bool = True
    units: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    training_only: tuple[str, ...] = ()

    def size_rule(self, network: "nn.Module") -> SizeRule:
        """What images are padded to for a network."""
        multiple = self.size_multiple(network) if callable(self.size_multiple) else self.size_multiple
        return SizeRule(multiple=multiple, minimum=-(-self.smallest_side // multiple) * multiple)

    def fit(self, network: "nn.Module") -> bool:
        """Whether a network has what is declared; another one of the same name may not."""
        try:
            self.size_rule(network)
            return all(network.get_submodule(path) is not None for path in self.units)
        except AttributeError:
            return False


def _unshuffling(network: Any) -> int:
    """RRDBNet rearranges the pixels of x2 and x1 onto a coarser grid."""
    return {1: 4, 2: 2}.get(network.scale, 1)


# Networks with windows leave the padding to their caller, or cannot pad tiny images.
_WINDOW = attrgetter("window_size")

# By name of the class: networks of BasicSR, of spandrel, and of papers.
FOREIGN: dict[str, Capabilities] = {
    "DAT": Capabilities(precisions=("fp32",), exportable=False),
    "ECBSR": Capabilities(precisions=("fp32",)),
    "EDSR": Capabilities(units=("body",)),
    "HAT": Capabilities(units=("layers",), size_multiple=_WINDOW),
    "HAUNet": Capabilities(
        units=("encoders", "enc_middle_blks", "dec_middle_blks", "decoders"),
        whole=("enc_middle_blks", "dec_middle_blks"),
        size_multiple=attrgetter("padder_size"),
    ),
    "MFGHMOE": Capabilities(units=("layers",), size_multiple=_WINDOW),
    "MSRResNet": Capabilities(units=("body",)),
    "RCAN": Capabilities(units=("body",)),
    "RRDBNet": Capabilities(units=("body",), size_multiple=_unshuffling),
    "SPT": Capabilities(units=("layers",)),
    "SRFormer": Capabilities(units=("layers",), size_multiple=_WINDOW, precisions=("fp32",)),
    "SwinIR": Capabilities(
        units=("layers",),
        size_multiple=attrgetter("layers.0.residual_group.blocks.0.window_size"),
        precisions=("fp32",),
        exportable=False,
    ),
    "TTST": Capabilities(units=("layers",), size_multiple=_WINDOW),
}


def capabilities_of(network: Any) -> Capabilities:
    """What a network declares, or :data:`FOREIGN` of the name of its class if that fits; else the defaults."""
    declared = getattr(network, "capabilities", None)
    if isinstance(declared, Capabilities):
        return declared
    known = FOREIGN.get(type(network).__name__)
    return known if known is not None and known.fit(network) else Capabilities()


def size_rule_of(network: Any) -> SizeRule:
    """What the LR images of a network are padded to."""
    return capabilities_of(network).size_rule(network)
