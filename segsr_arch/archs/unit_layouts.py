"""Where the units of a network are: one table, and how units are chosen from it.

To guide a network of your own by number of units, declare it once:
``UNIT_LAYOUTS["MyNet"] = UnitLayout(containers=("body",))``. Without that, name the units by their module paths.
"""

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from segsr_arch.errors import ConfigError

_SHOWN_CANDIDATES = 8


@dataclass(frozen=True, kw_only=True)
class UnitLayout:
    """How a network stacks its units. The layout of their outputs need not be declared; it is measured.

    Attributes:
        containers: Paths of the ``ModuleList`` or ``Sequential`` whose entries follow one another, in the order in
            which the network runs them; a path of any other module is an entry by itself.
        whole: Those of ``containers`` that are one entry in spite of their own entries.
        size_multiple: Sides of the LR image must be multiples of this, or of what it returns for the network.
    """

    containers: tuple[str, ...]
    whole: tuple[str, ...] = ()
    size_multiple: int | Callable[[nn.Module], int] = 1

    def entries(self, network: nn.Module) -> list[str]:
        """List the paths of the entries in the order in which they run.

        Raises:
            KeyError: If the network has no such container.
        """
        modules = dict(network.named_modules())
        paths = []
        for container in self.containers:
            module = modules[container]
            if isinstance(module, (nn.ModuleList, nn.Sequential)) and container not in self.whole:
                paths += [f"{container}.{name}" for name, _ in module.named_children()]
            else:
                paths.append(container)
        return paths


def _unshuffling(network: nn.Module) -> int:
    """RRDBNet rearranges the pixels of x2 and x1 onto a coarser grid."""
    return {1: 4, 2: 2}.get(network.scale, 1)


def _window(network: nn.Module) -> int:
    """BasicSR's SwinIR leaves the padding to its caller; its blocks know the window."""
    return network.layers[0].residual_group.blocks[0].window_size


def _own_window(network: nn.Module) -> int:
    """Networks that know their window. Some leave the padding to their caller, some cannot pad tiny images."""
    return network.window_size


UNIT_LAYOUTS: dict[str, UnitLayout] = {
    "EDSR": UnitLayout(containers=("body",)),
    "HAT": UnitLayout(containers=("layers",), size_multiple=_own_window),
    "HAUNet": UnitLayout(
        containers=("encoders", "enc_middle_blks", "dec_middle_blks", "decoders"),
        whole=("enc_middle_blks", "dec_middle_blks"),
        size_multiple=lambda network: network.padder_size,
    ),
    "MFGHMOE": UnitLayout(containers=("layers",), size_multiple=_own_window),
    "MSRResNet": UnitLayout(containers=("body",)),
    "RCAN": UnitLayout(containers=("body",)),
    "RRDBNet": UnitLayout(containers=("body",), size_multiple=_unshuffling),
    "SPT": UnitLayout(containers=("layers",)),
    "SRFormer": UnitLayout(containers=("layers",), size_multiple=_own_window),
    "SwinIR": UnitLayout(containers=("layers",), size_multiple=_window),
    "TTST": UnitLayout(containers=("layers",), size_multiple=_own_window),
}


def find_layout(network: nn.Module) -> UnitLayout | None:
    """Return the declared layout of a network, by the name of its class, if it fits; ``None`` if there is none."""
    layout = UNIT_LAYOUTS.get(type(network).__name__)
    try:
        if layout is not None:
            layout.entries(network)
    except KeyError:  # another network of that name
        return None
    return layout


def size_multiple(network: nn.Module) -> int:
    """Tell of what the sides of a network's LR images must be multiples; 1 if nothing is declared."""
    layout = find_layout(network)
    if layout is None:
        return 1
    return layout.size_multiple(network) if callable(layout.size_multiple) else layout.size_multiple


def candidates(network: nn.Module) -> list[str]:
    """List the containers of a network whose entries may be units, the largest first.

    Returns:
        Descriptions such as ``body (16 x ResidualBlockNoBN)``; what stands within such an entry is left out.
    """
    found: list[tuple[int, str]] = []
    entries: list[str] = []
    for path, module in network.named_modules():
        if not isinstance(module, (nn.ModuleList, nn.Sequential)) or any(path.startswith(entry) for entry in entries):
            continue
        children = {name: type(child).__name__ for name, child in module.named_children() if _has_weights(child)}
        kind, count = Counter(children.values()).most_common(1)[0] if children else ("", 0)
        if count < 2:
            continue
        entries += [f"{path}.{name}." for name, of_kind in children.items() if of_kind == kind]
        size = sum(
            p.numel() for name in children if children[name] == kind for p in module.get_submodule(name).parameters()
        )
        found.append((size, f"{path} ({count} x {kind})"))
    return [text for _, text in sorted(found, reverse=True)]


def _has_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())


def select_units(network: nn.Module, units: int | Sequence[str] | None) -> list[str]:
    """Choose the modules that end a unit each.

    Args:
        network: The network to be guided.
        units: Number of groups, as equal as they can be, into which the entries of its layout are divided; a list of
            module paths; ``None`` makes every entry a unit.

    Returns:
        The module paths in order.

    Raises:
        ConfigError: If no layout is declared for the network and ``units`` is no list, if there are fewer entries than
            units, or if a path leads to no module.
    """
    if units is not None and not isinstance(units, int):
        return _given_units(network, units)
    layout, name = find_layout(network), type(network).__name__
    if layout is None:
        listed = candidates(network)
        shown = "; ".join(listed[:_SHOWN_CANDIDATES]) or "none"
        example = listed[0].split(" ")[0] if listed else "body"
        raise ConfigError(
            f"units: no layout of units is declared for {name}, so name the modules that end a unit, for instance "
            f"units: [{example}.0, {example}.1]. Stacks found in it: {shown}. Or declare it once: "
            f'segsr_arch.archs.unit_layouts.UNIT_LAYOUTS["{name}"] = UnitLayout(containers=("{example}",)).'
        )
    entries = layout.entries(network)
    count = len(entries) if units is None else units
    if isinstance(units, bool) or not 1 <= count <= len(entries):
        raise ConfigError(
            f"units: must be from 1 to {len(entries)}, the number of entries of {name}'s "
            f"{', '.join(layout.containers)}; got {units!r}."
        )
    return [entries[round((group + 1) * len(entries) / count) - 1] for group in range(count)]


def _given_units(network: nn.Module, paths: Sequence[str]) -> list[str]:
    names = dict(network.named_modules())
    if isinstance(paths, str) or not paths or len(set(paths)) < len(paths):
        raise ConfigError(f"units: the list of module paths must name at least one, each once; got {paths!r}.")
    for path in paths:
        if path not in names or not path:
            near = difflib.get_close_matches(str(path), names, n=3)
            hint = f"near: {', '.join(near)}" if near else f"stacks: {'; '.join(candidates(network))}"
            raise ConfigError(f"units: {path!r} is no module of {type(network).__name__}; {hint}.")
    return list(paths)
