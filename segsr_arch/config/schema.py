"""A JSON schema of option files, from which editors complete keys, show what they do, and mark what is wrong.

It says what a file may hold by itself: keys, kinds, bounds, and names that are registered when it is made. What a check
of files, images and networks finds, only :func:`segsr_arch.config.check.check_options` tells.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from segsr_arch.compat import registration
from segsr_arch.compat.repairs.get_optimizer import optimizer_names
from segsr_arch.config import tables
from segsr_arch.config.calls import is_open_ended, parameters_of
from segsr_arch.config.dataset_tables import BACKEND, DATASET, DATASET_KEYS, LOADER_NEEDED, PATCH_NEEDED
from segsr_arch.config.datasets import PAIRED_TYPES
from segsr_arch.config.hints import hint_schema
from segsr_arch.config.metrics import images_given
from segsr_arch.config.sections import is_declared, is_known_code, model_keys
from segsr_arch.option_fields import keys_of
from segsr_arch.option_keys import NO_DEFAULT, SCHEMA_TYPES, Key, is_number
from segsr_arch.zoo.spandrel_networks import PREFIX

Schema = dict[str, Any]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_SUFFIXED = "_(segsr|basicsr)$"  # names that say whose they are
_BOUNDS = {"minimum": "minimum", "above": "exclusiveMinimum", "maximum": "maximum", "below": "exclusiveMaximum"}
_TYPE = {"type": Key("text", required=True, nullable=False, help="which class or function; the other keys are its own")}


def make_schema() -> Schema:
    """Make the schema of option files for all that is registered with BasicSR now.

    Returns:
        A JSON schema, draft 2020-12.
    """
    from basicsr.archs import ARCH_REGISTRY
    from basicsr.data import DATASET_REGISTRY
    from basicsr.losses import LOSS_REGISTRY
    from basicsr.metrics import METRIC_REGISTRY
    from basicsr.models import MODEL_REGISTRY

    networks = registration.entries(ARCH_REGISTRY)
    models, data_sets = registration.entries(MODEL_REGISTRY), registration.entries(DATASET_REGISTRY)
    return {
        "$schema": _DRAFT,
        "title": "Options of a training or test with BasicSR and segsr_arch",
        **_object({**tables.TOP, **tables.NETWORK, **tables.DISCRIMINATOR}, closed=False, required=tables.TOP),
        "allOf": [
            *(_case("model_type", name, _reference(f"model-{name}")) for name in models),
            {"properties": {"model_type": _names(models)}},
            _of_phase(),
        ],
        "$defs": {
            "network": _networks(networks),
            **{
                _beside(cls): _networks(networks, also=cls.keys_beside_nested)
                for cls in networks.values()
                if _beside(cls)
            },
            "loss": _by_type({name: _call(cls) for name, cls in registration.entries(LOSS_REGISTRY).items()}),
            "metric": _by_type({name: _metric(entry) for name, entry in registration.entries(METRIC_REGISTRY).items()}),
            "optimizer": _by_type({name: _optimizer(name) for name in optimizer_names()}),
            "scheduler": _by_type({name: _object(keys) for name, keys in tables.SCHEDULERS.items()}),
            "data-set": _by_type({name: _data_set(name, cls) for name, cls in data_sets.items()}),
            "training-data-set": _to_train_on(data_sets),
            **{f"model-{name}": _model(cls) for name, cls in models.items()},
        },
    }


def key_schema(key: Key, *, name: str = "") -> Schema:
    """Say in a JSON schema what a value may be.

    Args:
        key: Description of the option.
        name: Its name, by which some options are what a definition of the schema says.

    Returns:
        The schema, with description and default.
    """
    defined = _definition(name) if key.kind == "mapping" else None
    return _described(key, _plain(key) if defined is None else defined)


def _described(key: Key, schema: Schema) -> Schema:
    if key.nullable:
        schema = {"anyOf": [schema, {"type": "null"}]}
    if key.help:
        schema["description"] = key.help + (f" ({key.unit})" if key.unit else "")
    if key.default is not NO_DEFAULT and isinstance(key.default, (str, int, float, bool, type(None))):
        schema["default"] = key.default
    return schema


def _plain(key: Key) -> Schema:
    words = {"enum": list(key.words)}
    if key.kind == "text" and key.words:
        return words
    schema: Schema = {}
    if key.kind != "any":
        kinds = [kind for part in key.kind.split("|") for kind in SCHEMA_TYPES[part]]
        schema["type"] = kinds[0] if len(kinds) == 1 else kinds
    schema |= {word: getattr(key, bound) for bound, word in _BOUNDS.items() if getattr(key, bound) is not None}
    if key.items or key.kind == "texts":
        schema["items"] = _plain(Key(key.items or "text"))
    if key.entries is not None:
        entries = {name: _object({**_TYPE, **keys}) for name, keys in key.entries.items()}
        schema["items"] = _by_type(entries, names={"enum": list(entries)})
    if key.keys is not None:
        schema |= _object(key.keys)
    return {"anyOf": [schema, words]} if key.words else schema


def _definition(name: str) -> Schema | None:
    """Refer to what an option that is a mapping holds, where a definition of the schema says that."""
    if name.startswith("network_"):
        return _reference("network")
    if name.startswith("optim_"):
        return _reference("optimizer")
    if name.endswith("_opt"):
        return _reference("loss")
    sections: dict[str, Callable[[], Schema]] = {
        "scheduler": lambda: _reference("scheduler"),
        "metrics": lambda: {"type": "object", "additionalProperties": _reference("metric")},
        "datasets": _data_sets,
        "logger": lambda: _object(tables.LOGGER),
        "path": lambda: _path({}),
        "io_backend": lambda: _object(BACKEND, closed=False),
    }
    return sections[name]() if name in sections else None


def _object(keys: Mapping[str, Key], *, closed: bool = True, required: Iterable[str] | None = None) -> Schema:
    """A mapping with these keys, and no others if it is ``closed``."""
    needed = [name for name in (keys if required is None else required) if keys[name].required]
    return {
        "type": "object",
        "properties": {name: key_schema(key, name=name) for name, key in keys.items()},
        **({"required": needed} if needed else {}),
        **({"additionalProperties": False} if closed else {}),
    }


def _call(
    target: Callable[..., Any],
    *,
    also: Mapping[str, Key] = _TYPE,
    known: Mapping[str, Key] | None = None,
    given: Iterable[str] = (),
    kwargs_is_sink: bool = False,
) -> Schema:
    """What is passed to a class or function as keyword arguments; see :func:`segsr_arch.config.calls.check_call`."""
    parameters = parameters_of(target, given=given)
    schema = _object(also, closed=kwargs_is_sink or not is_open_ended(target))
    for name, parameter in parameters.items():
        if known is not None and name in known:
            schema["properties"][name] = key_schema(known[name])
        else:
            schema["properties"].setdefault(name, _argument(parameter))
    missing = [name for name, p in parameters.items() if p.default is p.empty and name not in also]
    return {**schema, "required": [*schema.get("required", ()), *missing]}


def _argument(parameter: inspect.Parameter) -> Schema:
    default = parameter.default
    if parameter.annotation is not parameter.empty:
        schema = hint_schema(parameter.annotation)
        schema = {"anyOf": [schema, {"type": "null"}]} if default is None else schema
    else:
        schema = {"type": ["number", "null", "array", "object"]} if is_number(default) else {}
    return {**schema, "default": default} if isinstance(default, (str, int, float, bool, type(None))) else schema


def _networks(networks: Mapping[str, Any], *, also: Mapping[str, Key] | None = None) -> Schema:
    known = {**_TYPE, **(also or {})}
    return _by_type({name: _network(cls, also=known) for name, cls in networks.items()}, also=f"^{PREFIX}")


def _beside(cls: Any) -> str:
    """Name of the definition of networks within one that reads keys among theirs; empty for one that reads none."""
    keys = getattr(cls, "keys_beside_nested", ())
    return f"network-with-{'-'.join(keys)}" if keys else ""


def _network(cls: Callable[..., Any], *, also: Mapping[str, Key]) -> Schema:
    schema = _call(cls, also=also)
    for name, group in getattr(cls, "nested_options", {}).items():
        schema["properties"][name] = {"anyOf": [_object(keys_of(group)), {"type": "null"}]}
    for name in getattr(cls, "nested_networks", ()):
        nested = _reference(_beside(cls) or "network")
        kinds = schema["properties"][name].get("anyOf", ())
        words = [kind for kind in kinds if kind.get("type") == "string"]
        schema["properties"][name] = {"anyOf": [*words, nested]} if words else nested
    return schema


def _metric(metric: Callable[..., Any]) -> Schema:
    ours = is_known_code(metric)
    known = tables.METRIC_PARAMETERS if ours else None
    return _call(metric, also=tables.METRIC, known=known, given=images_given(metric), kwargs_is_sink=ours)


def _optimizer(name: str) -> Schema:
    import torch

    return _call(getattr(torch.optim, name), also=tables.OPTIMIZER, known=tables.OPTIMIZER, given=("params",))


def _data_set(name: str, cls: type) -> Schema:
    own = DATASET_KEYS.get(name, getattr(cls, "option_keys", None))
    return _object({**DATASET, **(own or {})}, closed=own is not None)


def _to_train_on(data_sets: Mapping[str, type]) -> Schema:
    patched = [name for name, cls in data_sets.items() if name in PAIRED_TYPES or hasattr(cls, "patches_from")]
    needs_patches = _object(PATCH_NEEDED, closed=False)
    return {
        **_reference("data-set"),
        "allOf": [_object(LOADER_NEEDED, closed=False), *(_case("type", name, needs_patches) for name in patched)],
    }


def _data_sets() -> Schema:
    return {
        "type": "object",
        "properties": {"train": _reference("training-data-set")},
        "patternProperties": {"^(val|test)(_|$)": _reference("data-set")},
        "additionalProperties": False,
    }


def _path(extra: Mapping[str, Key]) -> Schema:
    of_generator = {f"{name}_g": key for name, key in tables.PATH_PER_NETWORK.items()}
    return {
        **_object({**of_generator, **tables.PATH, **extra}),
        "patternProperties": {f"^{name}_": key_schema(key) for name, key in tables.PATH_PER_NETWORK.items()},
    }


def _model(cls: type) -> Schema:
    """A whole file whose ``model_type`` is this class."""
    strict = is_declared(cls)
    networks = {**(tables.NETWORK if strict else {}), **tables.DISCRIMINATOR}
    schema = _object({**tables.TOP, **networks, **model_keys(cls, "")}, closed=strict)
    for section in ("train", "val"):
        keys = model_keys(cls, section)
        schema["properties"][section] = _described(tables.TOP[section], _object(keys, closed=strict))
    schema["properties"]["path"] = _described(tables.TOP["path"], _path(model_keys(cls, "path")))
    return schema if strict else {**schema, "patternProperties": {"^network_": _reference("network")}}


def _of_phase() -> Schema:
    """What a file needs that trains, and one that does not."""
    train, test = ({"properties": {"val": {"required": list(tables.VAL_NEEDED[phase])}}} for phase in (True, False))
    needs_train, needs_test = {"required": ["train", "logger"]}, {"required": ["val"]}
    return {"if": {"required": ["train"]}, "then": {**train, **needs_train}, "else": {**test, **needs_test}}


def _by_type(kinds: Mapping[str, Schema], *, also: str = "", names: Schema | None = None) -> Schema:
    """A mapping whose key ``type`` says which others there are; by itself a name that is registered, or ``also``."""
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": names or _names(kinds, also=also)},
        "allOf": [_case("type", name, schema) for name, schema in kinds.items()],
    }


def _names(names: Iterable[str], *, also: str = "") -> Schema:
    pattern = f"{_SUFFIXED}|{also}" if also else _SUFFIXED
    return {"anyOf": [{"enum": sorted(names)}, {"type": "string", "pattern": pattern}]}


def _case(key: str, value: str, schema: Schema) -> Schema:
    return {"if": {"required": [key], "properties": {key: {"const": value}}}, "then": schema}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
