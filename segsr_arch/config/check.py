"""The check of an option file before anything is built, moved or written."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segsr_arch.config.calls import find_registered
from segsr_arch.config.checkpoints import check_checkpoints, random_weights, unread_keys
from segsr_arch.config.datasets import LrImages, check_datasets
from segsr_arch.config.ground_truth import check_ground_truth
from segsr_arch.config.image_sizes import check_metric_sizes, check_network_sizes
from segsr_arch.config.imports import find_modules, import_modules
from segsr_arch.config.mappings import check_folder_name, check_mapping, section_of
from segsr_arch.config.metrics import check_metrics
from segsr_arch.config.networks import check_needs, check_networks, check_window
from segsr_arch.config.paths import check_paths
from segsr_arch.config.problems import Problems
from segsr_arch.config.sections import is_declared, model_keys
from segsr_arch.config.stock_models import check_stock_model
from segsr_arch.config.tables import DISCRIMINATOR, LOGGER, NETWORK, TOP, TOP_INTERNAL, VAL_NEEDED
from segsr_arch.config.training import check_some_loss, check_training
from segsr_arch.option_keys import Key, needed


def check_options(
    opt: Mapping[str, Any],
    *,
    is_train: bool,
    source: str,
    world_size: int = 1,
    parsed: bool = False,
    states: Path | None = None,
    passes_images: bool = False,
    reads_data: bool = True,
) -> list[str]:
    """Check the options of a BasicSR run; nothing is written and nothing is changed.

    What the file names under ``imports:`` is code. It is imported only if nothing else is wrong, as far as that can be
    told before: it may register what the other options name.
    Unknown and missing keys, wrong types, files and folders that are not there, images that do not fit together,
    names that are not registered, arguments that a class does not take, and scales that contradict each other; then
    losses, optimizers, metrics and networks are tried on something small, and checkpoints are read. Keys of model,
    data set and network types that are unknown here are let through.

    Args:
        opt: Options as read from YAML, or as BasicSR's ``parse_options`` returns them.
        is_train: Whether the run trains (``basicsr train``) or tests.
        source: Option file, for the message.
        world_size: Number of processes that the run is spread over.
        parsed: Whether ``parse_options`` has added BasicSR's own keys, which are no business of an option file.
        states: Folder of the states that ``--auto_resume`` looks at; ``None`` without it.
        passes_images: Whether single images that cannot be used are let through, because the run names them and goes
            on with the rest.
        reads_data: Whether the run reads the data sets; one that has images of its own does not need them here.

    Returns:
        Warnings: what is right, but hardly meant.

    Raises:
        ConfigError: If anything is wrong; the message lists all of it, one line a problem.
    """
    # only importing these fills the registries
    import basicsr.archs  # noqa: F401
    import basicsr.data  # noqa: F401
    import basicsr.losses  # noqa: F401
    import basicsr.metrics  # noqa: F401
    import basicsr.models  # noqa: F401

    sections = functools.partial(
        _check_sections,
        opt=opt,
        is_train=is_train,
        world_size=world_size,
        parsed=parsed,
        states=states,
        reads_data=reads_data,
    )
    if opt.get("imports") is not None:
        first = Problems(names_may_follow=True, passes_images=passes_images)
        modules = find_modules(first, opt)
        sections(first)
        first.raise_if_any(source)
        import_modules(first, modules)
        first.raise_if_any(source)
    problems = Problems(passes_images=passes_images)
    model, images = sections(problems)
    warnings = []
    if problems.ok:
        unread = unread_keys(opt, is_train=is_train, states=states)
        check_metric_sizes(problems, opt, images)
        if model is not None:
            check_stock_model(problems, opt, model, is_train=is_train)
        if model is not None and isinstance(opt.get("network_g"), Mapping):
            check_window(problems, opt["network_g"], model)
        networks = check_needs(problems, opt, model, is_train=is_train)
        check_network_sizes(problems, opt, model, networks.get("network_g"), images, is_train=is_train)
        check_checkpoints(problems, opt, model, networks, unread=unread)
        if not is_train:
            warnings = random_weights(opt, networks)
    problems.raise_if_any(source)
    return [*problems.notes, *warnings]


def _check_sections(
    problems: Problems,
    opt: Mapping[str, Any],
    *,
    is_train: bool,
    world_size: int,
    parsed: bool,
    states: Path | None,
    reads_data: bool,
) -> tuple[type | None, list[LrImages]]:
    """Check section by section; returns the model class, if it is known, and the LR images of the data sets."""
    from basicsr.utils.registry import MODEL_REGISTRY

    model = find_registered(problems.at("model_type"), MODEL_REGISTRY, opt.get("model_type"))
    strict = is_declared(model)
    own = TOP_INTERNAL.keys() - model_keys(model, "").keys()
    shown = {name: value for name, value in opt.items() if name not in own}
    for name in opt if not parsed else ():
        if name in own:
            problems.at(name).add(f"is set by BasicSR itself, remove it; {TOP_INTERNAL[name]}")
    check_mapping(problems, shown, _top_keys(opt, model, is_train=is_train, strict=strict), strict=strict)
    check_folder_name(problems.at("name"), opt.get("name"))
    check_networks(problems, opt)
    unread = unread_keys(opt, is_train=is_train, states=states)
    check_paths(problems, opt, model_keys(model, "path"), parsed=parsed, unread=unread)
    images: list[LrImages] = []
    if reads_data:
        images = check_datasets(problems, opt, is_train=is_train, world_size=world_size)
        check_ground_truth(problems, opt)
    _check_val(problems, opt, model, is_train=is_train, strict=strict)
    if is_train and isinstance(opt.get("train"), Mapping):
        check_mapping(problems.at("train"), opt["train"], model_keys(model, "train"), strict=strict)
        check_training(problems, opt["train"], strict=strict)
        check_some_loss(problems, opt["train"], model)
    if is_train and isinstance(opt.get("logger"), Mapping):
        _check_logger(problems, opt)
    return model, images


def _top_keys(opt: Mapping[str, Any], model: type | None, *, is_train: bool, strict: bool) -> dict[str, Key]:
    keys = {**TOP, **NETWORK, **DISCRIMINATOR}
    if not strict:
        del keys["network_g"]  # a model from elsewhere names its networks itself
    for name in opt:
        if str(name).startswith("network_") and not strict:
            keys[name] = Key("mapping")
    needed_sections = ("train", "logger") if is_train else ("val",)
    keys |= {name: needed("mapping") for name in needed_sections}
    return keys | model_keys(model, "")


def _check_logger(problems: Problems, opt: Mapping[str, Any]) -> None:
    options = opt["logger"]
    check_mapping(problems.at("logger"), options, LOGGER)
    wanted = section_of(options, "wandb").get("project") is not None and "debug" not in str(opt.get("name"))
    if wanted and options.get("use_tb_logger") is not True:
        problems.at("logger", "use_tb_logger").add(
            "must be true with logger:wandb, which is fed from TensorBoard's records"
        )


def _check_val(problems: Problems, opt: Mapping[str, Any], model: type | None, *, is_train: bool, strict: bool) -> None:
    val = opt.get("val")
    if not isinstance(val, Mapping):
        return
    keys = model_keys(model, "val")
    keys |= {name: dataclasses.replace(keys[name], required=True) for name in VAL_NEEDED[is_train]}
    check_mapping(problems.at("val"), val, keys, strict=strict)
    check_folder_name(problems.at("val", "suffix"), val.get("suffix"), use="becomes a part of file names")
    check_metrics(problems, val.get("metrics"), opt.get("scale"))
