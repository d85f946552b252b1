"""The check of an option file before anything is built, moved or written."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from segsr_arch.config.calls import find_registered
from segsr_arch.config.datasets import check_datasets
from segsr_arch.config.networks import check_needs, check_networks
from segsr_arch.config.paths import check_paths
from segsr_arch.config.problems import Problems
from segsr_arch.config.schema import Key, check_mapping, needed
from segsr_arch.config.sections import is_declared, model_keys
from segsr_arch.config.tables import LOGGER, TOP, TOP_INTERNAL, VAL_NEEDED
from segsr_arch.config.training import check_metrics, check_training


def check_options(opt: Mapping[str, Any], *, is_train: bool, source: str, world_size: int = 1) -> None:
    """Check the options of a BasicSR run; nothing is built and nothing is changed.

    Unknown and missing keys, wrong types, files and folders that are not there, images that do not fit together,
    names that are not registered, arguments that a class does not take, and scales that contradict each other. Keys
    of model, data set and network types that are unknown here are let through.

    Args:
        opt: Options as read from YAML, or as BasicSR's ``parse_options`` returns them.
        is_train: Whether the run trains (``basicsr train``) or tests.
        source: Option file, for the message.
        world_size: Number of processes that the run is spread over.

    Raises:
        ConfigError: If anything is wrong; the message lists all of it, one line a problem.
    """
    # only importing these fills the registries
    import basicsr.archs  # noqa: F401
    import basicsr.data  # noqa: F401
    import basicsr.losses  # noqa: F401
    import basicsr.metrics  # noqa: F401
    import basicsr.models  # noqa: F401
    from basicsr.utils.registry import MODEL_REGISTRY

    problems = Problems()
    model = find_registered(problems, "model_type", MODEL_REGISTRY, opt.get("model_type"))
    strict = is_declared(model)

    check_mapping(problems, "", opt, _top_keys(opt, model, is_train=is_train, strict=strict), strict=strict)
    _check_name(problems, opt.get("name"))
    check_networks(problems, opt)
    check_paths(problems, opt, model_keys(model, "path"))
    check_datasets(problems, opt, is_train=is_train, world_size=world_size)
    _check_val(problems, opt.get("val"), model, is_train=is_train, strict=strict)
    if is_train and isinstance(opt.get("train"), Mapping):
        check_mapping(problems, "train", opt["train"], model_keys(model, "train"), strict=strict)
        check_training(problems, opt["train"], strict=strict)
    if is_train and isinstance(opt.get("logger"), Mapping):
        check_mapping(problems, "logger", opt["logger"], LOGGER)
    if not problems.lines:
        check_needs(problems, opt)
    problems.raise_if_any(source)


def _top_keys(opt: Mapping[str, Any], model: type | None, *, is_train: bool, strict: bool) -> dict[str, Key]:
    keys = {**TOP, **TOP_INTERNAL, "network_g": needed("mapping"), "network_d": Key("mapping")}
    if not strict:
        del keys["network_g"]  # a model from elsewhere names its networks itself
    for name in opt:
        if str(name).startswith("network_") and not strict:
            keys[name] = Key("mapping")
    needed_sections = ("train", "logger") if is_train else ("val",)
    keys |= {name: needed("mapping") for name in needed_sections}
    return keys | model_keys(model, "")


def _check_name(problems: Problems, name: Any) -> None:
    if isinstance(name, str) and (not name or {os.sep, "/"} & set(name)):
        problems.add("name", f"{name!r} becomes a folder name: it must not be empty or contain slashes")


def _check_val(problems: Problems, val: Any, model: type | None, *, is_train: bool, strict: bool) -> None:
    if not isinstance(val, Mapping):
        return
    keys = model_keys(model, "val")
    keys |= {name: dataclasses.replace(keys[name], required=True) for name in VAL_NEEDED[is_train]}
    check_mapping(problems, "val", val, keys, strict=strict)
    check_metrics(problems, val.get("metrics"))
