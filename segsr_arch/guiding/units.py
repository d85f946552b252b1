"""Where the units of a network are, and how they are chosen: by number where they are declared, or by module paths."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from segsr_arch.capabilities import capabilities_of
from segsr_arch.errors import ConfigError
from segsr_arch.known_names import close_matches

_SHOWN_CANDIDATES = 8


def entries(network: nn.Module) -> list[str]:
    """List the paths of a network's entries in the order in which they run; none if no units are declared for it.

    Raises:
        ConfigError: If its class declares units that it does not have.
    """
    declared, paths = capabilities_of(network), []
    for container in declared.units:
        try:
            module = network.get_submodule(container)
        except AttributeError:
            raise ConfigError(
                f"{type(network).__name__}: its capabilities declare units in {container}, and it has no such module; "
                f"name a ModuleList or Sequential that it has."
            ) from None
        if isinstance(module, (nn.ModuleList, nn.Sequential)) and container not in declared.whole:
            paths += [f"{container}.{name}" for name in _stacked(module)]
        else:
            paths.append(container)
    return paths


def _stacked(container: nn.Module) -> list[str]:
    """Names of the entries of a container, up to the last one of the class of the first."""
    kinds = {name: type(child) for name, child in container._modules.items() if child is not None}
    names = list(kinds)
    while names and kinds[names[-1]] is not kinds[names[0]]:
        names.pop()
    return names


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Modules of one class side by side, which may be units.

    Attributes:
        container: Path of the module that holds them; empty for the network itself.
        names: Their names in it.
        kind: Name of their class.
        is_container: Whether it is a ``ModuleList`` or a ``Sequential``, so that its path is enough.
    """

    container: str
    names: tuple[str, ...]
    kind: str
    is_container: bool

    @property
    def paths(self) -> list[str]:
        """The paths of the modules."""
        return [f"{self.container}.{name}" if self.container else name for name in self.names]

    def __str__(self) -> str:
        place = self.container if self.is_container else f"{self.paths[0]} ... {self.paths[-1]}"
        return f"{place} ({len(self.names)} x {self.kind})"


def candidates(network: nn.Module) -> list[Stack]:
    """List the stacks of a network whose entries may be units, the largest first.

    Returns:
        Groups of at least two modules of one class in the same place, plain layers only where they are in a list; what
        stands within such a module is left out.
    """
    found: list[tuple[int, Stack]] = []
    entries: list[str] = []
    for path, module in network.named_modules():
        if any(f"{path}.".startswith(entry) for entry in entries):
            continue
        is_container = isinstance(module, (nn.ModuleList, nn.Sequential))
        children = {
            name: type(child).__name__
            for name, child in module.named_children()
            if _has_weights(child) and (is_container or any(True for _ in child.children()))
        }
        kind, count = Counter(children.values()).most_common(1)[0] if children else ("", 0)
        if count < 2:
            continue
        names = tuple(name for name in children if children[name] == kind)
        stack = Stack(container=path, names=names, kind=kind, is_container=is_container)
        entries += [f"{entry}." for entry in stack.paths]
        size = sum(p.numel() for name in names for p in module.get_submodule(name).parameters())
        found.append((size, stack))
    return [stack for _, stack in sorted(found, key=lambda entry: entry[0], reverse=True)]


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
            units, if a path leads to no module, or into one that gradient checkpointing computes twice.
    """
    paths = _given_units(network, units) if isinstance(units, (list, tuple)) else _counted_units(network, units)
    _refuse_recomputed(network, paths)
    return paths


def _counted_units(network: nn.Module, units: Any) -> list[str]:
    if units is not None and not isinstance(units, int):
        raise ConfigError(f"units: give a whole number of groups or a list of module paths; got {units!r}.")
    declared, name = entries(network), type(network).__name__
    if not declared:
        listed = candidates(network)
        shown = "; ".join(map(str, listed[:_SHOWN_CANDIDATES])) or "none"
        example = ", ".join(listed[0].paths[:2] if listed else ("body.0", "body.1"))
        contained = next((stack.container for stack in listed if stack.is_container), "body")
        raise ConfigError(
            f"units: no layout of units is declared for {name}, so name the modules that end a unit, for instance "
            f"units: [{example}]. Stacks found in it: {shown}. Or declare it once: "
            f'segsr_arch.capabilities.FOREIGN["{name}"] = Capabilities(units=("{contained}",)).'
        )
    count = len(declared) if units is None else units
    if isinstance(units, bool) or not 1 <= count <= len(declared):
        raise ConfigError(
            f"units: must be from 1 to {len(declared)}, the number of entries of {name}'s "
            f"{', '.join(capabilities_of(network).units)}; got {units!r}."
        )
    return [declared[round((group + 1) * len(declared) / count) - 1] for group in range(count)]


def _given_units(network: nn.Module, paths: Sequence[str]) -> list[str]:
    if not paths or not all(isinstance(path, str) for path in paths) or len(set(paths)) < len(paths):
        raise ConfigError(f"units: the list of module paths must name at least one, each once; got {paths!r}.")
    names = dict(network.named_modules(remove_duplicate=False))
    known: dict[nn.Module, str] = {}
    for path in paths:
        if path not in names or not path:
            near = close_matches(path, names)
            hint = f"near: {', '.join(near)}" if near else f"stacks: {'; '.join(map(str, candidates(network)))}"
            raise ConfigError(f"units: {path!r} is no module of {type(network).__name__}; {hint}.")
        if known.setdefault(names[path], path) != path:
            raise ConfigError(f"units: {known[names[path]]} and {path} are the same module; name it once.")
    return list(paths)


def _refuse_recomputed(base: nn.Module, paths: Sequence[str]) -> None:
    """Refuse units below a module with gradient checkpointing: the backward pass would run their hooks without maps."""
    for path in paths:
        parts = path.split(".")
        for length in range(1, len(parts)):
            above = ".".join(parts[:length])
            if getattr(base.get_submodule(above), "use_checkpoint", False):
                raise ConfigError(
                    f"units: {path} lies within {above}, which gradient checkpointing computes twice. Set "
                    f"use_checkpoint: false, or end the unit with {above}."
                )
