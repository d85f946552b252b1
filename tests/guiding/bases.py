"""Tiny networks of every kind that can be guided, as ``base:`` mappings of an option file."""

import copy
import importlib.util
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from segsr_arch.archs.semantic_sr_arch import SemanticSR
from tests.support import TINY_SEMANTICS, TINY_SPT

_SWIN = {
    "embed_dim": 12,
    "depths": [1, 1],
    "num_heads": [2, 2],
    "window_size": 4,
    "mlp_ratio": 2,
    "drop_path_rate": 0.0,
}
_HAT = {**_SWIN, "compress_ratio": 3, "squeeze_factor": 6}


@dataclass(frozen=True, kw_only=True)
class Base:
    """A network that can be guided.

    Attributes:
        options: Constructor arguments, without the scale.
        stack: Container of its two units.
        scales: Scales that it knows.
        scale_name: What it calls the scale.
        idle: Parts of the names of parameters whose gradient may be zero: channel attention squeezes so few channels
            to one or two, which may all be off behind their ReLU; an expert may be chosen for no pixel.
        normalises: Whether it normalises what its units give, so that the guide's doing so first changes nothing.
    """

    options: dict[str, Any]
    stack: str
    scales: tuple[int, ...] = (2, 3, 4)
    scale_name: str = "upscale"
    idle: tuple[str, ...] = ()
    normalises: bool = False


BASES: dict[str, Base] = {
    "MSRResNet": Base(options={"num_feat": 8, "num_block": 2}, stack="body"),
    "EDSR": Base(options={"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 2}, stack="body"),
    "RRDBNet": Base(
        options={"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 2, "num_grow_ch": 4},
        stack="body",
        scales=(2, 4),
        scale_name="scale",
    ),
    "RCAN": Base(
        options={"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_group": 2, "num_block": 1, "squeeze_factor": 2},
        stack="body",
        idle=(".attention.",),
    ),
    "SwinIR": Base(options={**_SWIN, "upsampler": "pixelshuffle"}, stack="layers"),
    "HAT": Base(options=_HAT, stack="layers", idle=(".attention.",)),
    "TTST": Base(options={name: value for name, value in _SWIN.items() if name != "mlp_ratio"}, stack="layers"),
    "MFGHMOE": Base(options=_HAT, stack="layers", idle=(".attention.", ".experts."), normalises=True),
    "SPT": Base(options=TINY_SPT, stack="layers", idle=(".attention.",)),
    "spandrel/HAT": Base(options={**_HAT, "upsampler": "pixelshuffle"}, stack="layers", idle=(".attention.",)),
    "spandrel/SRFormer": Base(options={**_SWIN, "upsampler": "pixelshuffle"}, stack="layers"),
}
_PACKAGES = {"spandrel/HAT": "spandrel", "spandrel/SRFormer": "spandrel_extra_arches"}


def base_options(name: str, scale: int = 2) -> dict[str, Any]:
    """``base:`` of a tiny network; the test is skipped where a package that it needs is not installed."""
    package = _PACKAGES.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f"{name} needs {package}: pip install 'segsr-arch[zoo]'")
    return {"type": name, **copy.deepcopy(BASES[name].options), BASES[name].scale_name: scale}


def build(
    name: str, scale: int = 2, *, units: Any = 2, pretrain_base: str | None = None, **semantics: Any
) -> SemanticSR:
    """Build a guided network, the same at every call."""
    torch.manual_seed(0)
    guide = {**TINY_SEMANTICS, "lora_dropout": 0.0, **semantics}
    return SemanticSR(base=base_options(name, scale), semantics=guide, units=units, pretrain_base=pretrain_base)


def images(height: int, width: int, count: int = 1) -> torch.Tensor:
    """Random LR images (count, 3, height, width), the same at every call."""
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(height + width))
