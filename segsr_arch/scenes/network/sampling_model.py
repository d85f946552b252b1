"""Networks that sample, on scenes: all windows draw their noise from one field, so that they fit together."""

import copy
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from segsr_arch.diffusion.samplers.noise import noise_at
from segsr_arch.errors import ConfigError
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.models.train_options import AMP_DTYPES
from segsr_arch.scenes.network.checked_model import CheckedModel
from segsr_arch.scenes.network.scene_model import ModelAround, SceneModel
from segsr_arch.windows import Window

LARGEST_OUTPUT = 2048
"""Side of what is sampled at once, in pixels of the output: the network goes over it in tiles of its latents."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What a network that samples is told beside the image.

    Attributes:
        seed: Of the noise; ``None`` for that of its options.
        steps: Of the sampler; ``None`` for those of its options.
        caption: What is to be seen, or what was lost; ``None`` for no words.
    """

    seed: int | None = None
    steps: int | None = None
    caption: str | None = None


class SamplingNetwork(Protocol):
    """A torch module that draws its output, from noise that has a place."""

    @property
    def noise_stride(self) -> int:
        """Side of what one value of the noise stands for, in HR pixels; of several noises a common multiple."""

    @property
    def sampler(self) -> Any:
        """A dataclass with ``seed`` and ``steps``."""

    def __call__(self, lq: Tensor, captions: Sequence[str] | None, seed: int | None, *, sampler: Any) -> Tensor:
        """Sample an SR image for each LR image."""


def fits_scenes(network: nn.Module) -> bool:
    """Whether a network is such a one; see :class:`SamplingNetwork`."""
    asked = inspect.signature(network.forward).parameters
    return {"captions", "seed", "sampler"} <= asked.keys() and hasattr(network, "noise_stride")


class SamplingModel:
    """A network that samples as a model of scenes.

    A value of noise stands for several pixels. A window that begins between two values is enlarged to the one before,
    and what it has too much is cut, so that all windows lie on one grid.

    Args:
        network: The network, in evaluation mode on its device.
        name: What people call it.
        scale: Its scale.
        identity: What JSON can hold and tells it from others, how it samples included.
        device: Where it is.
        amp: ``bf16`` or ``fp16`` for autocast, ``None`` for none.

    Attributes:
        drawing: What it is told.
    """

    extra = 0
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        network: Any,
        *,
        name: str,
        scale: int,
        identity: Mapping[str, Any],
        device: torch.device,
        amp: str | None = None,
    ) -> None:
        self.network, self.name, self.scale = network, name, scale
        self.identity = identity if amp is None else {**identity, "amp": amp}
        self.device = device
        self.drawing = Drawing()
        self._autocast = None if amp is None else AMP_DTYPES[amp]
        self._read: Callable[[Window], Tensor] | None = None

    @property
    def unit(self) -> int:
        """LR pixels after which a value of the noise begins where a pixel does."""
        stride: int = self.network.noise_stride
        return stride // math.gcd(stride, self.scale)

    @property
    def tile(self) -> TileOptions:
        """Windows of scenes: as large as memory allows, since the network itself makes its tiles fit at every step."""
        side = max(LARGEST_OUTPUT // self.scale // self.unit, 1) * self.unit
        return TileOptions(size=side, overlap=side // 8)

    @property
    def reads_captions(self) -> bool:
        """Whether words change what it gives."""
        return getattr(self.network, "reads_captions", True)

    def told(self, drawing: Drawing) -> "SamplingModel":
        """The same network, told something else.

        Raises:
            ConfigError: If it cannot be told that.
        """
        if drawing.caption is not None and not self.reads_captions:
            raise ConfigError(
                f"--caption: {self.name} reads no words, what it gives comes from the image alone. Leave it out."
            )
        if drawing.steps is not None and hasattr(self.network, "schedule"):
            replace(self.network.sampler, steps=drawing.steps).check(self.network.schedule, key="--steps")
        told = copy.copy(self)
        told.drawing = drawing
        return told

    def for_scene(self, read: Callable[[Window], Tensor], *, height: int, width: int) -> "SamplingModel":
        """Remember how windows of the scene are read."""
        ready = copy.copy(self)
        ready._read = read
        return ready

    def __call__(self, tiles: Tensor, windows: Sequence[Window], *, symmetry: int = 0) -> Tensor:
        """Super-resolve tiles, one after another, each at its place; none that is turned (:func:`refuse_turning`)."""
        if symmetry:
            refuse_turning(self)
        return torch.cat([self._sample(tile, window) for tile, window in zip(tiles, windows, strict=True)])

    def _sample(self, tile: Tensor, window: Window) -> Tensor:
        seen = self._on_grid(window)
        lq = tile if seen == window or self._read is None else self._read(seen)
        drawing, sampler = self.drawing, self.network.sampler
        seed = sampler.seed if drawing.seed is None else drawing.seed
        if drawing.steps is not None:
            sampler = replace(sampler, steps=drawing.steps)
        captions = None if drawing.caption is None else [drawing.caption]
        wanted = self._autocast is not None
        with (
            torch.no_grad(),
            torch.autocast(self.device.type, dtype=self._autocast, enabled=wanted),
            noise_at(seen.top * self.scale, seen.left * self.scale),
        ):
            sr: Tensor = self.network(lq[None].to(self.device), captions, seed, sampler=sampler)
        sr = sr.float().cpu()
        if lq is tile:
            return sr
        rows, columns = window.relative_to(seen).scaled(self.scale).slices
        return sr[..., rows, columns]

    def _on_grid(self, window: Window) -> Window:
        """A window, enlarged to where a value of the noise begins."""
        top, left = (side // self.unit * self.unit for side in (window.top, window.left))
        return Window(top=top, left=left, height=window.bottom - top, width=window.right - left)


def sampling_within(model: SceneModel) -> SamplingModel | None:
    """Find the network that samples within other models; ``None`` if it does not."""
    while isinstance(model, ModelAround):
        model = model.inner
    return model if isinstance(model, SamplingModel) else None


def refuse_turning(model: SceneModel) -> None:
    """Refuse to ask a network that samples eight times: its noise has a place, and does not turn with the image.

    Raises:
        ConfigError: If it is one.
    """
    if sampling_within(model) is not None:
        raise ConfigError(
            f"--ensemble: {model.name} draws its output; draw several samples instead (segsr infer --samples N)."
        )


def with_drawing(model: SceneModel, drawing: Drawing, *, told: Sequence[str] = ()) -> SceneModel:
    """Tell a model of scenes what a network that samples is told.

    Args:
        model: What :func:`~segsr_arch.scenes.network.networks.as_scene_model` gives.
        drawing: What it is told.
        told: The arguments that say so, for messages, if they are not called as its fields.

    Returns:
        The model itself if that is nothing.

    Raises:
        ConfigError: If it draws nothing, or does not read words.
    """
    if drawing == Drawing():
        return model
    inner = sampling_within(model)
    if inner is None:
        fields = ("seed", "steps", "caption")
        given = told or [f"--{name}" for name in fields if getattr(drawing, name) is not None]
        raise ConfigError(
            f"{', '.join(given)}: {model.name} gives one image for each input: it is no network that samples, such as "
            f"MSSD, whose forward takes captions, seed and sampler. Leave {'it' if len(given) == 1 else 'them'} out."
        )
    return CheckedModel(inner.told(drawing))
