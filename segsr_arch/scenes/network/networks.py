"""Networks and other callables as models of scenes."""

import contextlib
import functools
import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from segsr_arch.capabilities import SizeRule, size_rule_of
from segsr_arch.errors import ConfigError, first_line
from segsr_arch.evaluation.trained_network import TrainedNetwork
from segsr_arch.inference.super_resolution import super_resolve
from segsr_arch.models.train_options import AMP_DTYPES
from segsr_arch.running.memory import is_out_of_memory
from segsr_arch.scenes.network.checked_model import CheckedModel
from segsr_arch.scenes.network.sampling_model import SamplingModel, fits_scenes
from segsr_arch.scenes.network.scene_model import SceneModel
from segsr_arch.windows import Window
from segsr_arch.zoo.named_networks import SCALE_NAMES

_TRIAL_SIDE = 16
_CPU = torch.device("cpu")


class NetworkModel:
    """A callable from images to images as a model of scenes, which asks for no more than the tiles.

    Args:
        network: Maps (B, C, h, w) to (B, C, s h, s w), RGB in [0, 1]; where it declares what sizes it takes (see
            :mod:`segsr_arch.capabilities`), tiles are padded to that, and cut.
        name: What people call it.
        scale: s.
        identity: What JSON can hold and tells it from others.
        device: Where its images are to be.
        dtype: Type of its images.
        channels: C; each of the three channels alone is an image where it is 1.
        one_by_one: Whether it is given one image at a time.
        notes: Sentences for whoever uses it.
        module: The torch network behind it, on its device, if it is one.
        amp: ``bf16`` or ``fp16`` for autocast, ``None`` for none.
    """

    extra = 0

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        *,
        name: str,
        scale: int,
        identity: Mapping[str, Any],
        device: torch.device = _CPU,
        dtype: torch.dtype = torch.float32,
        channels: int = 3,
        one_by_one: bool = False,
        notes: tuple[str, ...] = (),
        module: nn.Module | None = None,
        amp: str | None = None,
    ) -> None:
        self.network = network
        self.name, self.scale, self.notes = name, scale, notes
        self.identity = identity if amp is None else {**identity, "amp": amp}
        self._autocast = None if amp is None else AMP_DTYPES[amp]
        self.device, self.dtype, self.module = device, dtype, module
        self._channels, self._one_by_one = channels, one_by_one

    def for_scene(self, read: Callable[[Window], Tensor], *, height: int, width: int) -> SceneModel:
        """Every scene is the same to it."""
        return self

    def __call__(self, tiles: Tensor, windows: Sequence[Window], *, symmetry: int = 0) -> Tensor:
        """Super-resolve tiles, as any scene model."""
        if self._channels == 1:
            channels = [self._run(channel) for channel in torch.split(tiles, 1, dim=1)]
            return torch.cat(channels, dim=1)
        return self._run(tiles)

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """What its network is run in: no gradients, and autocast if that is wanted."""
        wanted = self._autocast is not None
        with torch.no_grad(), torch.autocast(self.device.type, dtype=self._autocast, enabled=wanted):
            yield

    def _run(self, images: Tensor) -> Tensor:
        parts = torch.split(images, 1) if self._one_by_one else (images,)
        with self.computing():
            done = [
                super_resolve(self.network, part.to(self.device, self.dtype), scale=self.scale).float().cpu()
                for part in parts
            ]
        return done[0] if len(done) == 1 else torch.cat(done)


def as_scene_model(
    model: Any,
    *,
    name: str | None = None,
    scale: int | None = None,
    identity: Mapping[str, Any] | None = None,
    amp: str | None = None,
) -> SceneModel:
    """Make a model of scenes of what makes SR images.

    Args:
        model: Any callable from (B, 3, h, w) float32 in [0, 1] to (B, 3, s h, s w), on the CPU; a torch module, which
            is given its images where its parameters are, and put into evaluation mode; an ``ImageModelDescriptor`` of
            spandrel, as it is; a trained network; or a model of scenes.
        name: What it is called in messages and files; its own name if ``None``.
        scale: s; ``None`` for what it declares as ``scale``, ``upscale`` or the like, or else what a trial shows.
        identity: What JSON can hold and tells it from other models, so that a job that was stopped goes on with the
            same one. ``None`` takes a digest of the weights of a network; of any other callable there is but the name
            of the class or function, and of a lambda hardly that.
        amp: ``bf16`` or ``fp16`` runs a network within autocast; ``None`` as it is. A model of scenes knows by itself.

    Returns:
        The model, each output of which is checked.

    Raises:
        ConfigError: If it is nothing of that kind, needs other channels, or fails on a tile.
    """
    if isinstance(model, CheckedModel):
        return model
    if isinstance(model, SceneModel):
        return CheckedModel(model)
    if not callable(model):
        raise ConfigError(f"model: expected a callable from (B, 3, h, w) to (B, 3, sh, sw), got {type(model).__name__}")
    if isinstance(model, TrainedNetwork):
        return CheckedModel(_of_trained(model, name, identity, amp))
    if _is_descriptor(model):
        return CheckedModel(_of_descriptor(model, name, identity, amp))
    return CheckedModel(_of_callable(model, name, scale, identity, amp))


def network_identity(network: nn.Module) -> dict[str, Any]:
    """What a network is known by: its class, and the SHA-256 of its parameters and buffers."""
    digest = hashlib.sha256()
    for name, value in itertools.chain(network.named_parameters(), network.named_buffers()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return {"class": _qualified_name(type(network)), "weights": digest.hexdigest()}


def _of_trained(
    trained: TrainedNetwork, name: str | None, identity: Mapping[str, Any] | None, amp: str | None
) -> SceneModel:
    known_by = identity or {"scale": trained.scale, **network_identity(trained.network)}
    name = name or trained.name
    if fits_scenes(trained.network):
        return SamplingModel(
            trained.network,
            name=name,
            scale=trained.scale,
            identity={**known_by, "network_g": trained.opt["network_g"]},  # how it samples is in no weights
            device=trained.device,
            amp=amp,
        )
    return NetworkModel(
        trained.run,  # copies, pads and moves by itself, as the test loop does
        name=name,
        scale=trained.scale,
        identity=known_by,
        device=trained.device,
        module=trained.network,
        amp=amp,
    )


def _is_descriptor(model: Any) -> bool:
    """Whether it is a model of spandrel, which somebody has imported then."""
    if "spandrel" not in sys.modules:
        return False
    import spandrel

    return isinstance(model, (spandrel.ImageModelDescriptor, spandrel.MaskedImageModelDescriptor))


def _of_descriptor(
    descriptor: Any, name: str | None, identity: Mapping[str, Any] | None, amp: str | None
) -> NetworkModel:
    name = name or descriptor.architecture.name
    channels = descriptor.input_channels, descriptor.output_channels
    if channels not in ((1, 1), (3, 3)) or descriptor.purpose == "Inpainting":
        raise ConfigError(
            f"{name}: takes {channels[0]} channels, gives {channels[1]}, and is for {descriptor.purpose}; a model of "
            "scenes takes an image of 3 or 1 channels, and gives as many."
        )
    return NetworkModel(
        descriptor,
        name=name,
        scale=descriptor.scale,
        identity=identity or {"scale": descriptor.scale, **network_identity(descriptor.model)},
        device=descriptor.device,
        dtype=descriptor.dtype,
        channels=channels[0],
        one_by_one=True,  # spandrel promises it for one image
        module=descriptor.model,
        amp=amp,
    )


def _of_callable(
    network: Any, name: str | None, scale: int | None, identity: Mapping[str, Any] | None, amp: str | None
) -> SceneModel:
    place = _CPU
    if isinstance(network, nn.Module):
        network.eval()
        first = next(itertools.chain(network.parameters(), network.buffers()), None)
        place = _CPU if first is None else first.device
        name = name or type(network).__name__
        known_by: Mapping[str, Any] = network_identity(network)
    else:
        function = network
        while isinstance(function, functools.partial):
            function = function.func
        qualified = _qualified_name(function if hasattr(function, "__qualname__") else type(function))
        name = name or qualified.rpartition(".")[2]
        known_by = {"name": qualified}
    if scale is None:
        scale = _declared_scale(network) or _trial_scale(network, name, place)
    if scale < 1:
        raise ConfigError(f"{name}: scale: must be a whole number of at least 1, got {scale}")
    known_by = identity or {"scale": scale, **known_by}
    module = network if isinstance(network, nn.Module) else None
    if module is not None and fits_scenes(module):
        known_by = {**known_by, "sampler": asdict(network.sampler)}
        return SamplingModel(network, name=name, scale=scale, identity=known_by, device=place, amp=amp)
    return NetworkModel(network, name=name, scale=scale, identity=known_by, device=place, module=module, amp=amp)


def _qualified_name(named: Any) -> str:
    return f"{named.__module__}.{named.__qualname__}"


def _declared_scale(network: Any) -> int | None:
    found = [value for name in SCALE_NAMES if type(value := getattr(network, name, None)) is int and value > 0]
    return found[0] if found else None


def _trial_scale(network: Any, name: str, device: torch.device) -> int:
    rule: SizeRule = size_rule_of(network)
    height, width = rule.padded(_TRIAL_SIDE), rule.padded(_TRIAL_SIDE + 1)
    tile = torch.full((1, 3, height, width), 0.5, device=device)
    try:
        with torch.no_grad():
            shape = tuple(network(tile).shape)
    except Exception as error:  # anything may come from it
        if is_out_of_memory(error):
            raise
        raise ConfigError(
            f"{name}: fails on a tile (1, 3, {height}, {width}) of float32 in [0, 1]: {first_line(error, longest=300)}"
        ) from error
    scale = shape[2] // height if len(shape) == 4 else 0
    if scale < 1 or shape != (1, 3, scale * height, scale * width):
        raise ConfigError(
            f"{name}: gives {shape} for a tile (1, 3, {height}, {width}); expected (1, 3, s * {height}, s * {width}) "
            "with a whole s."
        )
    return scale
