"""The networks that the paper's tables compare: a base, in how many units it is guided, and how."""

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
        rank_factor: LoRA's rank in multiples of the preset's; table V has 0.5, 1 and 2.
        weights: ``preset`` for the weights of the vision-language model that preset or user name, ``pretrained`` for
            the same but never random ones, ``random`` for random ones.
    """

    key: str
    base: str
    units: int | None = None
    semantics: Mapping[str, Any] = field(default_factory=dict)
    rank_factor: float = 1.0
    weights: str = "preset"


def plain(base: str) -> Variant:
    """The base alone."""
    return Variant(key=base, base=base)


def guided(base: str, *, units: int | None = None, suffix: str = "", **options: Any) -> Variant:
    """A base with a guide.

    Args:
        base: Its name.
        units: Number of units; ``None`` for what the paper recommends.
        suffix: What is added to the key.
        options: ``rank_factor``, ``weights``, or options of the guide.

    Raises:
        KeyError: If the paper recommends nothing for this base.
    """
    units = RECOMMENDED_UNITS[base] if units is None else units
    own = {name: options.pop(name) for name in ("rank_factor", "weights") if name in options}
    key = f"{base}_u{units}" + (f"_{suffix}" if suffix else "")
    return Variant(key=key, base=base, units=units, semantics=options, **own)
