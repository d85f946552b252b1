"""Checks of ``network_*``: registered type, constructor arguments, nested options, scale."""

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from segsr_arch.config.calls import check_call, find_registered
from segsr_arch.config.problems import Problems
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.inference.window_sizes import reads_window_size, window_size_of
from segsr_arch.option_keys import describe, is_whole
from segsr_arch.zoo import spandrel_networks
from segsr_arch.zoo.named_networks import SCALE_NAMES


def check_networks(problems: Problems, opt: Mapping[str, Any]) -> None:
    """Check every ``network_*`` of an option file; those of spandrel are entered into BasicSR's registry.

    A network class may name dataclasses for arguments that are mappings themselves, in a class attribute
    ``nested_options = {"semantics": SemanticsConfig}``, and arguments that describe a network in turn, with ``type``,
    in ``nested_networks = ("base",)``; keys that it reads among theirs are in ``keys_beside_nested = {"path": Key()}``.
    See also :func:`check_needs`.

    Args:
        problems: Where problems go.
        opt: The options.
    """
    for key, options in _networks_of(opt):
        network = _check_network(problems.at(key), options)
        if network is not None and options["type"].startswith(spandrel_networks.PREFIX):
            # BasicSR builds it by this name.
            spandrel_networks.register(options["type"].removeprefix(spandrel_networks.PREFIX))
        _check_scale_and_nested(problems.at(key), options, opt.get("scale") if key == "network_g" else None, network)


def _networks_of(opt: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        (key, options)
        for key, options in opt.items()
        if str(key).startswith("network_") and isinstance(options, Mapping)
    ]


def _check_scale_and_nested(here: Problems, options: Mapping[str, Any], scale: Any, network: Any) -> None:
    """Check what a network enlarges by, and the networks that its options describe in turn."""
    _check_scale(here, options, scale, network)
    for name in getattr(network, "nested_networks", ()):
        nested, below = options.get(name), here.at(name)
        if isinstance(nested, Mapping):
            besides = getattr(network, "keys_beside_nested", ())
            nested = {key: value for key, value in nested.items() if key not in besides}
            inner = _check_network(below, nested, guides=_is_guided(network))
            _check_scale_and_nested(below, nested, scale, inner)


def _is_guided(network: Any) -> bool:
    return inspect.isclass(network) and issubclass(network, GuidedNetwork)


def check_needs(
    problems: Problems, opt: Mapping[str, Any], model: type | None, *, is_train: bool
) -> dict[str, nn.Module | None]:
    """Let the model and the networks check what only they know, and build the networks without weights.

    A model class may have a static method ``check_options(opt)``, given all options and ``is_train``, a network class
    ``check_options(options)``; both raise a SegsrError. It may take long, so it is asked last, about options that are
    right otherwise. Networks are built, too, unless they have ``check_checkpoint``, see
    :mod:`segsr_arch.config.checkpoints`.

    Args:
        problems: Where problems go.
        opt: The options.
        model: The model class, or ``None`` if it is not known.
        is_train: Whether the run trains.

    Returns:
        The networks that are right by key; ``None`` for one that was not built.
    """
    check = getattr(model, "check_options", None)
    if check is not None:
        with problems.refusals():
            check({**opt, "is_train": is_train})
    right: dict[str, nn.Module | None] = {}
    for key, options in _networks_of(opt):
        here = problems.at(key)
        network = _find_network(here.at("type"), options["type"])
        if hasattr(network, "check_options"):
            with here.refusals():
                network.check_options(options)
        module = None
        if here.ok and not hasattr(network, "check_checkpoint"):
            module = _build(here, options, network)
        if here.ok:
            right[key] = module
    return right


def check_window(problems: Problems, options: Mapping[str, Any], model: type) -> None:
    """Check that a model class which reads ``network_g: window_size`` finds one there.

    Args:
        problems: Where problems go.
        options: Options of ``network_g``.
        model: The model class.
    """
    if reads_window_size(model) and window_size_of(options) is None:
        problems.at("model_type").add(
            f"{model.__name__} reads network_g: window_size, which {options['type']} does not have; take model_type: "
            "SeGSRModel, which pads images to what the network takes, or SRModel",
        )


def _build(here: Problems, options: Mapping[str, Any], network: type) -> nn.Module | None:
    """Build a network without memory for its weights or, if it reads values while it is built, with."""
    arguments = {name: value for name, value in options.items() if name != "type"}
    outline = Problems()
    for device, collected in (("meta", outline), ("cpu", here)):
        with collected.trying("the network cannot be built"), torch.device(device):
            module: nn.Module = network(**copy.deepcopy(arguments))
        if collected.ok:
            return module
    return None


def _find_network(here: Problems, name: str) -> Any:
    """Find the class of a registered network or of one of spandrel; ``None`` if there is a problem."""
    from basicsr.archs import ARCH_REGISTRY

    if not name.startswith(spandrel_networks.PREFIX):
        return find_registered(here, ARCH_REGISTRY, name)
    with here.refusals():
        return spandrel_networks.find_network(name.removeprefix(spandrel_networks.PREFIX))
    return None


def _check_network(here: Problems, options: Mapping[str, Any], *, guides: bool = False) -> Any:
    """Check the options of a network; ``guides`` says that it stands within a guided one. Returns its class."""
    if not isinstance(options.get("type"), str):
        here.at("type").add("is missing; expected the name of a registered network")
        return None
    network = _find_network(here.at("type"), options["type"])
    if network is None:
        return None
    if guides and _is_guided(network):
        what = f"{options['type']} has a guide already; name the network that is to be guided"
        here.at("type").add(what)
        return None
    check_call(here, options, network)
    for name, cls in getattr(network, "nested_options", {}).items():
        nested = options.get(name)
        if isinstance(nested, Mapping):
            check_call(here.at(name), nested, cls, also_known=())
        elif nested is not None:
            here.at(name).add(f"expected a mapping of keys, got {describe(nested)}")
    return network


def _check_scale(here: Problems, options: Mapping[str, Any], scale: Any, network: Any) -> None:
    if not is_whole(scale) or network is None:
        return
    defaults = {name: p.default for name, p in inspect.signature(network).parameters.items()}
    for name in SCALE_NAMES:
        value = options.get(name, defaults.get(name))
        if is_whole(value) and value != scale:
            by_default = "" if name in options else " by default"
            here.at(name).add(
                f"the network enlarges x{value}{by_default}, but scale: is {scale}; they must be equal",
            )
