"""What the units of a network give and how much it enlarges, learned by running it once."""

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from segsr_arch.capabilities import capabilities_of
from segsr_arch.errors import ConfigError
from segsr_arch.guiding.unit_outputs import UnitOutput, recognise
from segsr_arch.guiding.units import select_units

# Sides that every known window divides, in a ratio that no channel count resembles.
_OUTLINE_SIZE = (480, 800)
_REAL_SIZE = (96, 160)


class NoValuesError(Exception):
    """A network without values must be built anew, with them, to be run."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What was learned.

    Attributes:
        paths: Modules that end a unit each.
        scale: Upscaling factor s of the network.
        outputs: What each unit gives, in the order of the units.
    """

    paths: tuple[str, ...]
    scale: int
    outputs: tuple[UnitOutput, ...]


def probe_network(network: nn.Module, units: int | Sequence[str] | None) -> Probe:
    """Choose the units of a network and run it, on an outline of an image or else on a small black one.

    An outline needs neither memory nor arithmetic. The network itself is not changed.

    Args:
        network: From (B, 3, H, W) to (B, 3, sH, sW).
        units: As :func:`~segsr_arch.guiding.units.select_units` takes them.

    Returns:
        Its units, its scale and the layout of each unit's output.

    Raises:
        ConfigError: If the units are wrong, it cannot be run, its output is no enlarged image, a unit does not run
            exactly once, or what it gives is no feature map.
        NoValuesError: If it looks at values while it runs, and is itself an outline that has none.
    """
    paths = select_units(network, units)
    given = capabilities_of(network).trial_size
    try:
        emptied = outline(network)
        with torch.device("meta"):  # for what the network makes as it runs, attention masks above all
            return _run(emptied, paths, torch.zeros(1, 3, *(given or _OUTLINE_SIZE)))
    except ConfigError:
        raise
    except Exception as error:  # some networks look at values, which an outline has not
        first = next(network.parameters(), torch.zeros(()))
        if first.is_meta:
            raise NoValuesError from error
    try:
        copied = copy.deepcopy(network)
    except Exception as error:
        raise ConfigError(
            f"base: {type(network).__name__} cannot be copied ({type(error).__name__}: {error}), which is needed to "
            f"try it and for moving averages. Where it uses torch.nn.utils.weight_norm or spectral_norm, those of "
            f"torch.nn.utils.parametrizations can be copied."
        ) from error
    devices = [first.device]
    if first.device.type == "cpu" and torch.cuda.is_available():
        devices.append(torch.device("cuda"))  # some networks have kernels for it alone
    image = torch.zeros(1, 3, *(given or _REAL_SIZE), dtype=first.dtype)
    failures = []
    for device in devices:
        try:
            return _run(copied.to(device), paths, image.to(device, copy=True))
        except ConfigError:
            raise
        except Exception as error:  # foreign networks raise any kind
            failures.append(f"on {device.type}: {type(error).__name__}: {error}")
    name = type(network).__name__
    raise ConfigError(
        f"base: {name} cannot be run on an image {tuple(image.shape)} ({'; '.join(failures)}). If it takes other sizes "
        f'only, declare one: segsr_arch.capabilities.FOREIGN["{name}"] = Capabilities(..., trial_size=(64, 64)); if '
        f"it runs on a GPU only, it must be built where there is one."
    )


def outline(network: nn.Module) -> nn.Module:
    """Copy a network without memory for its parameters and buffers; it gives the sizes of what it computes."""
    memo: dict[int, Any] = {}
    for parameter in network.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), requires_grad=False)
    for buffer in network.buffers():
        memo[id(buffer)] = buffer.to("meta")
    return copy.deepcopy(network, memo)


def _run(network: nn.Module, paths: Sequence[str], image: Tensor) -> Probe:
    size = (image.shape[2], image.shape[3])
    found: dict[str, UnitOutput | str] = {}
    runs: Counter[str] = Counter()

    def listen(path: str) -> None:
        def record(_module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any], output: Any) -> None:
            runs[path] += 1
            found[path] = recognise(output, inputs, options, size=size)

        network.get_submodule(path).register_forward_hook(record, with_kwargs=True)

    for path in paths:
        listen(path)
    with torch.no_grad():
        sr = network.eval()(image)
    name, outputs = type(network).__name__, []
    for path in paths:
        if runs[path] != 1:
            raise ConfigError(
                f"units: {path} runs {runs[path]} times in one pass of {name}; a unit must run once. A ModuleList "
                f"never runs itself: name one of its entries."
            )
        output = found[path]
        if isinstance(output, str):
            raise ConfigError(f"units: {path} {output}.")
        outputs.append(output)
    return Probe(paths=tuple(paths), scale=_scale(name, sr, size), outputs=tuple(outputs))


def _scale(name: str, sr: Any, size: tuple[int, int]) -> int:
    if not isinstance(sr, Tensor) or len(sr.shape) != 4 or sr.shape[1] != 3:
        given = tuple(sr.shape) if isinstance(sr, Tensor) else type(sr).__name__
        raise ConfigError(
            f"base: {name} gives {given} from an image (1, 3, {size[0]}, {size[1]}); expected one RGB image."
        )
    enlarged = tuple(sr.shape[2:])
    scale = enlarged[0] // size[0]
    if scale < 1 or (scale * size[0], scale * size[1]) != enlarged:
        raise ConfigError(f"base: {name} turns {size} into {enlarged}, which is no enlargement by a whole number.")
    return scale
