"""A base widened until it trains as many parameters as a guided network: whether a guide gains more than its size."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segsr_arch.errors import ConfigError
from segsr_arch.running.logs import errors_only
from segsr_arch.zoo.named_networks import Base, build_base

# What sets a network's width, and what that must be a multiple of.
_WIDTHS = {"EDSR": ("num_feat", None), "RCAN": ("num_feat", None), "HAT_segsr": ("embed_dim", "num_heads")}
_MOST_TIMES = 4  # as wide as it was


@dataclass(frozen=True, kw_only=True)
class Widened:
    """A widened base.

    Attributes:
        options: Its options with ``type``.
        name: The option that was changed.
        before: Its value before.
        parameters: How many parameters it has.
        target: How many the guided network trains: those of the base, of the guide, and of LoRA.
    """

    options: Mapping[str, Any]
    name: str
    before: int
    parameters: int
    target: int

    def __str__(self) -> str:
        return (
            f"{self.name} {self.options[self.name]} in place of {self.before}: {self.parameters:,} parameters, where "
            f"the guided network trains {self.target:,}"
        )


def widen(base: Mapping[str, Any], guided: Mapping[str, Any]) -> Widened:
    """Find the width at which a base comes nearest to a guided network's number of trained parameters.

    Args:
        base: Options of the base with ``type``.
        guided: Options of the guided network; the frozen weights of its vision-language model are not counted and need
            not be there.

    Returns:
        The widened base.

    Raises:
        ConfigError: If it is not known what sets the width of this base, or four times as wide is not enough.
    """
    return _widen(json.dumps(dict(base)), json.dumps(dict(guided)))


@functools.cache
def _widen(base_text: str, guided_text: str) -> Widened:
    base, guided = json.loads(base_text), json.loads(guided_text)
    if base["type"] not in _WIDTHS:
        raise ConfigError(f"{base['type']}: it is not known what makes it wider; known are {', '.join(_WIDTHS)}.")
    name, divisor = _WIDTHS[base["type"]]
    given = 1 if divisor is None else base[divisor]
    step = max(given) if isinstance(given, list) else given
    guided["semantics"]["pretrained"] = None
    with errors_only("segsr_arch.semantics"):  # which weights are drawn does not matter
        target = sum(p.numel() for p in build_base(guided).parameters() if p.requires_grad)
    before: int = base[name]

    def count(width: int) -> int:
        outline = Base.from_options({**base, name: width}).outline()
        return sum(p.numel() for p in outline.parameters())

    low, high = 0, (_MOST_TIMES - 1) * before // step  # in steps beyond the width that it has
    if count(before + high * step) < target:
        raise ConfigError(f"{base['type']}: {name} {before + high * step} has fewer parameters than {target:,} still.")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(before + middle * step) <= target else (low, middle)
    widths = [before + steps * step for steps in (low, high)]
    width = min(widths, key=lambda each: abs(count(each) - target))
    return Widened(options={**base, name: width}, name=name, before=before, parameters=count(width), target=target)
