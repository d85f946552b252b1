"""In which layout a unit gives its features, and how they become (B, H, W, F) and back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from segsr_arch.errors import ConfigError

# Cells of a unit's grid are n or 1/n LR pixels wide.
_STRIDES = (1.0, *(float(n) for n in range(2, 17)), *(1 / n for n in range(2, 17)))
# How far a grid may differ from that, as a logarithm, because the network pads inside.
_TOLERANCE = 0.25

_Format = Literal["nchw", "nhwc", "tokens"]


@dataclass(frozen=True, kw_only=True)
class UnitOutput:
    """What a unit gives.

    Attributes:
        format: ``nchw`` (B, F, H, W), ``nhwc`` (B, H, W, F), or ``tokens`` (B, HW, F), whose H and W the unit gets as
            an argument.
        channels: Channel count F.
        stride: Side of a cell of the grid, in LR pixels.
    """

    format: _Format
    channels: int
    stride: float

    def to_nhwc(self, output: Tensor, inputs: Sequence[Any], options: Mapping[str, Any]) -> Tensor:
        """Bring a unit's output into the layout (B, H, W, F).

        Args:
            output: The features that the unit gave.
            inputs: Its positional arguments.
            options: Its keyword arguments.
        """
        if self.format == "nchw":
            return output.permute(0, 2, 3, 1)
        if self.format == "tokens":
            grid = token_grid(output.shape[1], inputs, options)
            if grid is None:
                raise ConfigError("units: one that works on tokens was not told their height and width this time.")
            return torch.unflatten(output, 1, grid)
        return output

    def from_nhwc(self, features: Tensor) -> Tensor:
        """Bring features (B, H, W, F) back into the unit's layout."""
        if self.format == "nchw":
            return features.permute(0, 3, 1, 2)
        return features.flatten(1, 2) if self.format == "tokens" else features


def features_of(output: Any) -> Any:
    """Take the features out of what a unit gave: the first entry, if it gave several."""
    return output[0] if isinstance(output, (tuple, list)) and output else output


def with_features(output: Any, features: Tensor) -> Any:
    """Put other features in the place of those that a unit gave, in the precision and memory order of these."""
    original = features_of(output)
    features = features.to(original.dtype)
    if original.is_contiguous():  # the network may view them in another shape
        features = features.contiguous()
    if isinstance(output, Tensor):
        return features
    if hasattr(output, "_replace"):  # a named tuple
        return output._replace(**{output._fields[0]: features})
    return type(output)([features, *output[1:]])


def token_grid(tokens: int, inputs: Sequence[Any], options: Mapping[str, Any]) -> tuple[int, int] | None:
    """Find height and width among the arguments of a unit that works on tokens.

    Args:
        tokens: Their number.
        inputs: Positional arguments of the unit, the features first.
        options: Keyword arguments.

    Returns:
        The first pair of whole numbers whose product it is; ``None`` if there is none.
    """
    for value in (*inputs[1:], *options.values()):
        if isinstance(value, (tuple, list)) and len(value) == 2 and value[0] * value[1] == tokens:
            return value[0], value[1]
    return None


def _fit(grid: Sequence[int], size: tuple[int, int]) -> tuple[float, float] | None:
    """Find the stride of a grid over an image of so many pixels; returns the misfit and the stride."""
    ratios = [pixels / cells for pixels, cells in zip(size, grid, strict=True)]
    misfit, stride = min((max(abs(math.log(ratio / stride)) for ratio in ratios), stride) for stride in _STRIDES)
    return (misfit, stride) if misfit < _TOLERANCE else None


def recognise(
    output: Any, inputs: Sequence[Any], options: Mapping[str, Any], *, size: tuple[int, int]
) -> UnitOutput | str:
    """Recognise the layout of a unit's output by the image that the network was given.

    Args:
        output: What the unit gave; of several things the first.
        inputs: Its positional arguments.
        options: Its keyword arguments.
        size: Height and width of the LR image, which must not be equal.

    Returns:
        The layout, or a sentence that says why there is none.
    """
    output = features_of(output)
    if not isinstance(output, Tensor):
        return f"gives a {type(output).__name__} instead of a tensor; end the unit at a module that gives features"
    shape = tuple(output.shape)
    grids: list[tuple[_Format, Sequence[int], int]] = []
    if len(shape) == 4:
        grids = [("nchw", shape[2:], shape[1]), ("nhwc", shape[1:3], shape[3])]
    elif len(shape) == 3:
        grid = token_grid(shape[1], inputs, options)
        if grid is None:
            return (
                f"gives tokens {shape} but is not told their height and width; end the unit at a module that gets them "
                f"as its second argument"
            )
        grids = [("tokens", grid, shape[2])]
    fits = [(*fit, name, channels) for name, grid, channels in grids if (fit := _fit(grid, size)) is not None]
    if not fits:
        return f"gives a tensor {shape}, which is no feature map of an image {size}"
    _, stride, name, channels = min(fits)
    return UnitOutput(format=name, channels=channels, stride=stride)
