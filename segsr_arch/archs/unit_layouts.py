"""Where the units of a network are, and in which layout their outputs come.

To guide a network of your own, declare it once:
``UNIT_LAYOUTS["MyNet"] = UnitLayout(container="body", format="nchw")``.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from segsr_arch.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class UnitLayout:
    """How a network stacks its units.

    Attributes:
        container: Path of the ``ModuleList`` or ``Sequential`` whose entries follow one another.
        format: ``nchw`` (B, F, H, W) or ``nhwc`` (B, H, W, F): the layout of an entry's output.
        stride: Side of a cell of that output, in LR pixels.
    """

    container: str
    format: Literal["nchw", "nhwc"]
    stride: float = 1


UNIT_LAYOUTS: dict[str, UnitLayout] = {
    "HAT": UnitLayout(container="layers", format="nhwc"),
}


def find_layout(network: nn.Module) -> UnitLayout:
    """Return the declared layout of a network, by the name of its class.

    Raises:
        ConfigError: If none is declared for it.
    """
    name = type(network).__name__
    if name not in UNIT_LAYOUTS:
        near = difflib.get_close_matches(name, UNIT_LAYOUTS, n=1)
        hint = f" (nearest: {near[0]})" if near else ""
        raise ConfigError(
            f"No unit layout is declared for {name}{hint}; declared: {', '.join(sorted(UNIT_LAYOUTS))}. Declare it in "
            f"segsr_arch.archs.unit_layouts.UNIT_LAYOUTS."
        )
    return UNIT_LAYOUTS[name]


def select_units(network: nn.Module, layout: UnitLayout, units: int | Sequence[str] | None) -> list[str]:
    """Choose the modules that end a unit each.

    Args:
        network: The network to be guided.
        layout: Its layout.
        units: Number of groups, as equal as they can be, into which the entries are divided; a list of module paths;
            ``None`` makes every entry a unit.

    Returns:
        The module paths in order.

    Raises:
        ConfigError: If there are fewer entries than units, or a path leads to no module.
    """
    names = dict(network.named_modules())
    if units is not None and not isinstance(units, int):
        if not units or len(set(units)) < len(units):
            raise ConfigError(f"units: the list of module paths must name at least one, each once; got {list(units)}.")
        for path in units:
            if path not in names:
                near = difflib.get_close_matches(path, names, n=3)
                raise ConfigError(f"units: {path!r} is no module of {type(network).__name__}; near: {', '.join(near)}.")
        return list(units)
    entries = [f"{layout.container}.{name}" for name, _ in names[layout.container].named_children()]
    count = len(entries) if units is None else units
    if isinstance(units, bool) or not 1 <= count <= len(entries):
        raise ConfigError(
            f"units: must be from 1 to {len(entries)}, the number of entries of "
            f"{type(network).__name__}.{layout.container}; got {units!r}."
        )
    return [entries[round((group + 1) * len(entries) / count) - 1] for group in range(count)]
