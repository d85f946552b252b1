"""Parts of a diffusion model that an option file describes itself: small, with random weights, for tests and toys."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from segsr_arch.diffusion.autoencoders import Autoencoder, LatentAutoencoder, PixelAutoencoder
from segsr_arch.diffusion.library import build_model, check_keys, diffusers_library, transformers_library
from segsr_arch.diffusion.parts import DiffusionParts
from segsr_arch.diffusion.text import VOCABULARY, TextConditioning
from segsr_arch.errors import ConfigError
from segsr_arch.option_keys import is_whole
from segsr_arch.weights.random_weights import fill_portably

logger = logging.getLogger(__name__)

_SECTION = "stable_diffusion"
_KEYS = ("autoencoder", "text", "unet", "schedule", "seed")
_EXAMPLE = (
    "{autoencoder: {type: pixels, factor: 4}, text: {width: 32, layers: 1, heads: 2}, "
    "unet: {block_out_channels: [32, 64], ...}}"
)


def build_inline(options: Mapping[str, Any], *, trains_unet: bool) -> DiffusionParts:
    """Build parts with random weights, which is said.

    Args:
        options: ``autoencoder``: ``{type: pixels, factor}`` or ``{type: kl, ...}`` with arguments of diffusers'
            ``AutoencoderKL``; ``text``: ``{width, layers, heads}``; ``unet``: arguments of ``UNet2DConditionModel``,
            channels and width of the text left out; ``schedule``: see
            :class:`~segsr_arch.diffusion.schedule.ScheduleOptions`; ``seed`` of what is frozen.
        trains_unet: Whether the UNet is trained; its first weights are then torch's usual ones, of its generator.

    Raises:
        ConfigError: If a key is not known, a value is wrong, or the parts do not fit together.
        DependencyError: If diffusers or transformers are missing.
    """
    seed = _seed(options)
    logger.warning(
        "The diffusion model is made from an inline configuration: its weights start RANDOM (seed %d), and it knows "
        "nothing of images but what a training here has taught it.",
        seed,
    )
    autoencoder, text, unet = _models(options)
    stream = np.random.PCG64(seed)
    for part in (autoencoder, text) if trains_unet else (autoencoder, text, unet):
        fill_portably(part, stream, width=1, embeddings=())
    return DiffusionParts(
        autoencoder=autoencoder,
        text=text,
        unet=unet,
        schedule=_schedule(options),
        name="inline",
        source=f"random({seed})",
        trains_unet=trains_unet,
    )


def check_inline(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Find what is wrong with an inline configuration, without memory for its weights.

    Args:
        options: As in :func:`build_inline`.

    Returns:
        Its schedule.

    Raises:
        ConfigError: As there.
        DependencyError: As there.
    """
    _seed(options)
    with torch.device("meta"):
        _models(options)
    return _schedule(options)


def _seed(options: Mapping[str, Any]) -> int:
    check_keys(options, _KEYS, _SECTION)
    seed = options.get("seed", 0)
    if not is_whole(seed) or seed < 0:
        raise ConfigError(f"{_SECTION}: seed: must be a whole number from 0 on, got {seed!r}.")
    return int(seed)


def _schedule(options: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(options, "schedule") if "schedule" in options else {}


def _models(options: Mapping[str, Any]) -> tuple[Autoencoder, TextConditioning, Any]:
    autoencoder = _autoencoder(_mapping(options, "autoencoder"))
    text = _text(_mapping(options, "text"))
    return autoencoder, text, _unet(_mapping(options, "unet"), channels=autoencoder.channels, width=text.width)


def _mapping(options: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = options.get(name)
    if not isinstance(value, Mapping):
        raise ConfigError(f"{_SECTION}: {name}: must be a mapping, got {value!r}; for instance {_EXAMPLE}.")
    return value


def _positive(options: Mapping[str, Any], name: str, where: str) -> int:
    value = options.get(name)
    if not is_whole(value) or value < 1:
        raise ConfigError(f"{where}: {name}: must be a whole number from 1 on, got {value!r}.")
    return int(value)


def _autoencoder(options: Mapping[str, Any]) -> Autoencoder:
    where = f"{_SECTION}: autoencoder"
    kind = options.get("type")
    if kind == "pixels":
        check_keys(options, ("type", "factor"), where)
        factor = _positive(options, "factor", where)
        if factor & (factor - 1):
            raise ConfigError(f"{where}: factor: must be a power of two, got {factor}.")
        return PixelAutoencoder(factor=factor)
    if kind == "kl":
        arguments = {name: value for name, value in options.items() if name != "type"}
        return LatentAutoencoder(build_model(diffusers_library().AutoencoderKL, arguments, where))
    raise ConfigError(f"{where}: type: must be pixels or kl, got {kind!r}.")


def _text(options: Mapping[str, Any]) -> TextConditioning:
    where = f"{_SECTION}: text"
    check_keys(options, ("width", "layers", "heads"), where)
    width, layers, heads = (_positive(options, name, where) for name in ("width", "layers", "heads"))
    if width % heads:
        raise ConfigError(f"{where}: width: must be a multiple of heads ({heads}), got {width}.")
    transformers = transformers_library()
    config = transformers.CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
    )
    return TextConditioning(transformers.CLIPTextModel(config))


def _unet(options: Mapping[str, Any], *, channels: int, width: int) -> Any:
    where = f"{_SECTION}: unet"
    given = {"in_channels": channels, "out_channels": channels, "cross_attention_dim": width}
    for name, value in given.items():
        if name in options and options[name] != value:
            raise ConfigError(
                f"{where}: {name}: is {options[name]}, but autoencoder and text make it {value}; remove it."
            )
    return build_model(diffusers_library().UNet2DConditionModel, {**options, **given}, where)
