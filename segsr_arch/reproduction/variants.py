"""The networks that the tables compare: a base, in how many units it is guided, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# How many units the paper recommends (section IV-E, 5).
RECOMMENDED_UNITS = {"EDSR": 4, "RCAN": 5, "HAT": 6}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One network of a table.

    Attributes:
        key: Name in files, without data set, scale and weights of the vision-language model: ``EDSR``, ``HAT_u6_sfem``.
        base: Name of the base in a preset's ``networks``.
        units: Number of units that are guided; ``None`` for the base alone.
        semantics: Options of the guide that differ from the preset's.
        train: Options of ``train:`` beyond the preset's.
        rank_factor: LoRA's rank in multiples of the preset's; table V has 0.5, 1 and 2.
        weights: ``preset`` for the weights of the vision-language model that preset or user name, ``pretrained`` for
            the same but never random ones, ``random`` for random ones.
        as_large_as: The guided network of as many trained parameters, for a base alone that is widened.
    """

    key: str
    base: str
    units: int | None = None
    semantics: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    rank_factor: float = 1.0
    weights: str = "preset"
    as_large_as: "Variant | None" = None

    @property
    def is_base(self) -> bool:
        """Whether it is a base as it is: what others are compared with."""
        return self.units is None and self.as_large_as is None


def plain(base: str) -> Variant:
    """The base alone."""
    return Variant(key=base, base=base)


def widened(base: str) -> Variant:
    """The base alone, as large as the one with the paper's guide."""
    return Variant(key=f"{base}_wide", base=base, as_large_as=guided(base))


def guided(base: str, *, units: int | None = None, suffix: str = "", **options: Any) -> Variant:
    """A base with a guide.

    Args:
        base: Its name.
        units: Number of units; ``None`` for what the paper recommends.
        suffix: What is added to the key.
        options: ``rank_factor``, ``weights``, ``train``, or options of the guide.

    Raises:
        KeyError: If the paper recommends nothing for this base.
    """
    units = RECOMMENDED_UNITS[base] if units is None else units
    own = {name: options.pop(name) for name in ("rank_factor", "weights", "train") if name in options}
    key = f"{base}_u{units}" + (f"_{suffix}" if suffix else "")
    return Variant(key=key, base=base, units=units, semantics=options, **own)
