"""Checks of ``train:``: optimizers, scheduler, losses; each is built once on the CPU, and takes one step."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segsr_arch.compat.repairs.get_optimizer import optimizer_names
from segsr_arch.config.calls import check_call, find_registered
from segsr_arch.config.mappings import check_mapping
from segsr_arch.config.problems import Problems
from segsr_arch.config.tables import OPTIMIZER, SCHEDULERS
from segsr_arch.errors import WeightsFileError
from segsr_arch.metrics.pretrained import hub_path
from segsr_arch.option_keys import describe, is_number, needed
from segsr_arch.weights.reading import read_content

_VGG_CRITERIA = ("l1", "l2", "fro")


def check_training(problems: Problems, train: Mapping[str, Any], *, strict: bool) -> None:
    """Check optimizers, scheduler and losses of the ``train:`` section.

    Args:
        problems: Where problems go.
        train: The section.
        strict: Whether the model builds them as stock BasicSR does, so that names from elsewhere are wrong.
    """
    optimizers: dict[str, type] = {}
    for key, options in train.items():
        here = problems.at("train", key)
        if not isinstance(options, Mapping):
            continue
        if str(key).startswith("optim_"):
            cls = _check_optimizer(here, options, strict=strict)
            optimizers |= {key: cls} if cls is not None and here.ok else {}
        elif key == "scheduler":
            _check_scheduler(here, options, train.get("total_iter"), strict=strict)
        elif str(key).endswith("_opt"):
            _check_loss(here, options, strict=strict)
    for key, cls in optimizers.items():
        _try_optimizer(problems.at("train"), key, train, cls)


def check_some_loss(problems: Problems, train: Mapping[str, Any], model: type | None) -> None:
    """Check that there is a loss, for models that are trained as BasicSR's ``SRModel`` is.

    Args:
        problems: Where problems go.
        train: The ``train:`` section.
        model: The model class, or ``None`` if it is not known.
    """
    from basicsr.models.sr_model import SRModel

    plain = model is not None and getattr(model, "init_training_settings", None) is SRModel.init_training_settings
    if plain and not (train.get("pixel_opt") or train.get("perceptual_opt")):
        problems.at("train").add("needs a loss: pixel_opt or perceptual_opt")


def _check_optimizer(here: Problems, options: Mapping[str, Any], *, strict: bool) -> type | None:
    """Check the options of an optimizer; returns its class, if it is one of torch."""
    import torch

    check_mapping(here, options, OPTIMIZER, strict=False)
    name = options.get("type") if isinstance(options.get("type"), str) else None
    known = optimizer_names()
    if name in known:
        optimizer: type = getattr(torch.optim, name)
        check_call(here, options, optimizer, given=("params",))
        return optimizer
    if isinstance(name, str) and strict and not here.names_may_follow:
        here.at("type").unknown(name, known, f"{name!r} is not an optimizer of torch.optim")
    return None


def _try_optimizer(here: Problems, key: str, train: Mapping[str, Any], cls: type) -> None:
    """Build the optimizer on a convolution and take one step as BasicSR does, then the scheduler on top of it."""
    import torch
    from basicsr.models import lr_scheduler

    layer = torch.nn.Conv2d(3, 4, 3, device="cuda" if torch.cuda.is_available() else "cpu")
    for parameter in layer.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer = None
    with here.at(key).trying("a step of this optimizer fails, tried on a convolution"):
        optimizer = cls(layer.parameters(), **_arguments(train[key]))
        optimizer.step()
    scheduler = train.get("scheduler")
    if optimizer is None or not isinstance(scheduler, Mapping) or not here.at("scheduler").ok:
        return
    name = scheduler.get("type")
    if isinstance(name, str) and name in SCHEDULERS:
        cosine = name == "CosineAnnealingRestartLR"
        schedule = lr_scheduler.CosineAnnealingRestartLR if cosine else lr_scheduler.MultiStepRestartLR
        with here.at("scheduler").trying("cannot be stepped"):
            schedule(optimizer, **_arguments(scheduler)).step()


def _arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: copy.deepcopy(value) for key, value in options.items() if key != "type"}


def _check_scheduler(here: Problems, options: Mapping[str, Any], total_iter: Any, *, strict: bool) -> None:
    name = options.get("type") if isinstance(options.get("type"), str) else None
    if name not in SCHEDULERS:
        check_mapping(here, options, {"type": needed("text")}, strict=False)
        if isinstance(name, str) and strict:
            here.at("type").unknown(name, SCHEDULERS, f"{name!r} is not a scheduler of BasicSR")
        return
    check_mapping(here, options, SCHEDULERS[name])
    starts_key = "periods" if name == "CosineAnnealingRestartLR" else "restarts"
    starts, weights = options.get(starts_key, [0]), options.get("restart_weights", [1])
    if not isinstance(starts, list) or not isinstance(weights, list):
        return
    if len(starts) != len(weights):
        here.at("restart_weights").add(
            f"needs as many entries as {starts_key} ({len(starts)}), has {len(weights)}",
        )
    whole = starts_key == "periods" and is_number(total_iter) and all(map(is_number, starts))
    if whole and sum(starts) < total_iter - 1:
        here.at("periods").add(
            f"add up to {sum(starts)}, fewer than total_iter: {total_iter}; the run would fail there",
        )


def _check_loss(here: Problems, options: Mapping[str, Any], *, strict: bool) -> None:
    from basicsr.utils.registry import LOSS_REGISTRY

    if not isinstance(options.get("type"), str):
        if strict:
            here.at("type").add("is missing; expected the name of a registered loss")
        return
    loss = find_registered(here.at("type"), LOSS_REGISTRY, options["type"])
    if loss is None:
        return
    check_call(here, options, loss)
    if options["type"] == "PerceptualLoss":  # not built, because that fetches weights
        _check_vgg(here, options)
    elif here.ok:
        _try_loss(here, options, loss)


def _check_vgg(here: Problems, options: Mapping[str, Any]) -> None:
    from basicsr.archs.vgg_arch import NAMES, insert_bn

    vgg, layers = str(options.get("vgg_type", "vgg19")), options.get("layer_weights", {})
    names = NAMES.get(vgg.removesuffix("_bn"))
    if names is None:
        here.at("vgg_type").unknown(vgg, NAMES, f"{vgg!r} is no VGG network")
    elif not isinstance(layers, Mapping):
        here.at("layer_weights").add(f"expected layer names and weights, got {describe(layers)}")
    else:
        names = insert_bn(names) if vgg.endswith("_bn") else names
        for name, weight in layers.items():
            layer = here.at("layer_weights", name)
            if name not in names:
                layer.unknown(str(name), names, f"{vgg} has no such layer")
            elif not is_number(weight):
                layer.add(f"expected a number, got {describe(weight)}")
    if names is not None:
        _check_vgg_weights(here, vgg)
    if options.get("criterion", "l1") not in _VGG_CRITERIA:
        here.at("criterion").add(f"expected {' or '.join(_VGG_CRITERIA)}")


def _check_vgg_weights(here: Problems, vgg: str) -> None:
    """Read the file that PerceptualLoss is going to read, if it is there; torchvision fetches it otherwise."""
    from basicsr.archs.vgg_arch import VGG_PRETRAIN_PATH
    from torchvision.models import get_model_weights

    own, fetched = Path(VGG_PRETRAIN_PATH), hub_path(get_model_weights(vgg).IMAGENET1K_V1.url)
    file = own if own.exists() else fetched
    if file.exists():
        try:
            read_content(file)
        except WeightsFileError as error:
            here.add(f"its weights cannot be loaded. {error}")


def _try_loss(here: Problems, options: Mapping[str, Any], cls: type) -> None:
    """Build the loss; one that BasicSR's ``SRModel`` calls is computed, too, between two small images."""
    import torch

    loss = None
    with here.trying("cannot be built"):
        loss = cls(**_arguments(options))
    if loss is None or here.path not in ("train:pixel_opt", "train:perceptual_opt"):
        return
    with here.trying("cannot be computed, tried on two images"):
        value = loss(torch.rand(1, 3, 16, 16, requires_grad=True), torch.rand(1, 3, 16, 16))
        if here.path == "train:perceptual_opt":
            if not isinstance(value, tuple) or len(value) != 2:
                here.add("must give two values, a perceptual and a style loss, as PerceptualLoss does")
        elif value.numel() != 1 or not torch.isfinite(value).all():
            here.add("must give one finite number; check reduction (mean) and loss_weight")
