"""The reference of options: what the check of option files knows, as Markdown tables for the documentation."""

from collections.abc import Iterator, Mapping
from typing import Any

from segsr_arch.compat import registration
from segsr_arch.config import tables
from segsr_arch.config.dataset_tables import DATASET, DATASET_KEYS
from segsr_arch.config.sections import is_known_code, model_keys
from segsr_arch.option_fields import fields_taken_by, keys_of
from segsr_arch.option_keys import NO_DEFAULT, Key

_HEAD = "| Option | Value | Default | What it does |\n| --- | --- | --- | --- |"


def option_reference(model_type: str = "SeGSRModel", *, level: int = 2) -> str:
    """Write the reference of an option file.

    Args:
        model_type: Name of the model whose options are described first; of the others of this package, what they add.
        level: Level of the headings, 1 to 6.

    Returns:
        Markdown: a heading and a table for each section of an option file.
    """
    parts = [f"{'#' * level} {title}\n\n{option_table(keys)}" for title, keys in option_groups(model_type).items()]
    return "\n\n".join(parts) + "\n"


def option_groups(model_type: str = "SeGSRModel") -> dict[str, Mapping[str, Key]]:
    """Collect the groups of options in the order in which they stand in an option file.

    Args:
        model_type: Name of the model whose options are described.

    Returns:
        Descriptions of options by name, by the heading of their group.
    """
    from basicsr.archs import ARCH_REGISTRY
    from basicsr.data import DATASET_REGISTRY
    from basicsr.models import MODEL_REGISTRY

    model = registration.find(MODEL_REGISTRY, model_type)
    groups: dict[str, Mapping[str, Key]] = {
        "Top level": {**tables.TOP, **tables.NETWORK, **tables.DISCRIMINATOR, **model_keys(model, "")},
        "`datasets: PHASE:`": DATASET,
    }
    for name, cls in registration.entries(DATASET_REGISTRY).items():
        own = DATASET_KEYS.get(name, getattr(cls, "option_keys", {}))
        groups |= {f"`datasets: PHASE:` with `type: {name}`": own} if own else {}
    for name, cls in registration.entries(ARCH_REGISTRY).items():
        nested = getattr(cls, "nested_options", {})
        taken = fields_taken_by(getattr(cls, "__init__", cls))
        if taken is not None:
            keys = {key: value for key, value in keys_of(taken).items() if key not in nested}
            groups[f"`network_g:` with `type: {name}`"] = keys
        for key, group in nested.items():
            title = f"`network_g: {key}:`"
            own = "" if groups.get(title, keys_of(group)) == keys_of(group) else f" with `type: {name}`"
            groups[title + own] = keys_of(group)
    groups |= {
        "`path:`": {f"{name}_g": key for name, key in tables.PATH_PER_NETWORK.items()} | tables.PATH,
        "`train:`": model_keys(model, "train"),
        "`train: optim_g:`": tables.OPTIMIZER,
        **{f"`train: scheduler:` with `type: {name}`": keys for name, keys in tables.SCHEDULERS.items()},
        "`val:`": model_keys(model, "val"),
        "`val: metrics: NAME:`": {**tables.METRIC, **tables.METRIC_PARAMETERS},
        "`logger:`": tables.LOGGER,
    }
    for name, other in registration.entries(MODEL_REGISTRY).items():
        if is_known_code(other) and not issubclass(model, other):
            for section, keys in vars(other).get("option_keys", {}).items():
                groups |= {f"`{section}:` with `model_type: {name}`": keys} if keys else {}
    return dict(_with_nested(groups))


def option_table(keys: Mapping[str, Key]) -> str:
    """Write one group of options as a Markdown table.

    Args:
        keys: Descriptions by name.

    Returns:
        The table: name, what may stand there, what holds where it is left out, and what it does.
    """
    return "\n".join([_HEAD, *(_row(name, key) for name, key in keys.items())])


def _with_nested(groups: Mapping[str, Mapping[str, Key]]) -> Iterator[tuple[str, Mapping[str, Key]]]:
    """Put behind each group the options that are mappings of options themselves."""
    for title, keys in groups.items():
        yield title, keys
        above = title.strip("`").rstrip(":") + ": " if title.startswith("`") else ""
        for name, key in keys.items():
            if key.keys is not None:
                yield f"`{above}{name}:`", key.keys
            for kind, entry in (key.entries or {}).items():
                yield f"`{name}:` with `type: {kind}`", entry


def _row(name: str, key: Key) -> str:
    value = "anything" if key.kind == "any" else key.what or key.expected
    value += f" ({key.unit})" if key.unit else ""
    value += " or `~`" if key.nullable else ""
    default = "needed" if key.required else "" if key.default is NO_DEFAULT else f"`{_as_yaml(key.default)}`"
    cells = (f"`{name}`", value, default, key.help)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _as_yaml(value: Any) -> str:
    if value is None:
        return "~"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_as_yaml, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
