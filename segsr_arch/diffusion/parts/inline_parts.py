"""Parts of a diffusion model that an option file describes itself: small, with random weights, for tests and toys."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from segsr_arch.diffusion.library import build_model, check_keys, diffusers_library, transformers_library
from segsr_arch.diffusion.parts.autoencoders import Autoencoder, LatentAutoencoder, PixelAutoencoder
from segsr_arch.diffusion.parts.model_kinds import ModelKind
from segsr_arch.diffusion.parts.parts import DiffusionParts
from segsr_arch.diffusion.parts.text import VOCABULARY, TextConditioning, TwinTextConditioning
from segsr_arch.errors import ConfigError
from segsr_arch.option_keys import is_whole
from segsr_arch.weights.random_weights import fill_portably

logger = logging.getLogger(__name__)

_KEYS = ("autoencoder", "text", "unet", "schedule", "seed")
_EXAMPLE = {
    "autoencoder": "{type: pixels, factor: 4}",
    "text": "{width: 32, layers: 2, heads: 2}",
    "text_2": "{width: 32, layers: 2, heads: 2}",
    "unet": "{block_out_channels: [32, 64], ...}",
    "schedule": "{prediction_type: v_prediction}",
}
_SIZES = 6  # height and width of the original, top and left of the crop, height and width of the target


def build_inline(options: Mapping[str, Any], kind: ModelKind, *, trains_unet: bool) -> DiffusionParts:
    """Build parts with random weights, which is said.

    Args:
        options: ``autoencoder``: ``{type: pixels, factor}`` or ``{type: kl, ...}`` with arguments of diffusers'
            ``AutoencoderKL``; ``text``: ``{width, layers, heads}``, and ``text_2`` likewise of a model with two
            encoders; ``unet``: arguments of ``UNet2DConditionModel``, channels and widths of texts left out;
            ``schedule``: see :class:`~segsr_arch.diffusion.samplers.schedule.ScheduleOptions`; ``seed`` of what is
            frozen.
        kind: What kind of model it is.
        trains_unet: Whether the UNet is trained; its first weights are then torch's usual ones, of its generator.

    Raises:
        ConfigError: If a key is not known, a value is wrong, or the parts do not fit together.
        DependencyError: If diffusers or transformers are missing.
    """
    seed = _seed(options, kind)
    logger.warning(
        "The diffusion model is made from an inline configuration: its weights start RANDOM (seed %d), and it knows "
        "nothing of images but what a training here has taught it.",
        seed,
    )
    autoencoder, text, unet = _models(options, kind)
    stream = np.random.PCG64(seed)
    for part in (autoencoder, text) if trains_unet else (autoencoder, text, unet):
        fill_portably(part, stream, width=1, embeddings=())
    return DiffusionParts(
        autoencoder=autoencoder,
        text=text,
        unet=unet,
        schedule=_schedule(options, kind),
        kind=kind,
        name="inline",
        source=f"random({seed})",
        trains_unet=trains_unet,
    )


def check_inline(options: Mapping[str, Any], kind: ModelKind) -> Mapping[str, Any]:
    """Find what is wrong with an inline configuration, without memory for its weights.

    Args:
        options: As in :func:`build_inline`.
        kind: As there.

    Returns:
        Its schedule.

    Raises:
        ConfigError: As there.
        DependencyError: As there.
    """
    _seed(options, kind)
    with torch.device("meta"):
        _models(options, kind)
    return _schedule(options, kind)


def _seed(options: Mapping[str, Any], kind: ModelKind) -> int:
    check_keys(options, (*_KEYS, "text_2") if kind.is_xl else _KEYS, kind.key)
    seed = options.get("seed", 0)
    if not is_whole(seed) or seed < 0:
        raise ConfigError(f"{kind.key}: seed: must be a whole number from 0 on, got {seed!r}.")
    return int(seed)


def _schedule(options: Mapping[str, Any], kind: ModelKind) -> Mapping[str, Any]:
    return _mapping(options, "schedule", kind) if "schedule" in options else {}


def _models(
    options: Mapping[str, Any], kind: ModelKind
) -> tuple[Autoencoder, TextConditioning | TwinTextConditioning, Any]:
    autoencoder = _autoencoder(_mapping(options, "autoencoder", kind), f"{kind.key}: autoencoder")
    library = transformers_library()
    text: TextConditioning | TwinTextConditioning
    encoder = _text(_mapping(options, "text", kind), library.CLIPTextModel, f"{kind.key}: text")
    text = TextConditioning(encoder)
    if kind.is_xl:
        second = _mapping(options, "text_2", kind)
        text = TwinTextConditioning(encoder, _text(second, library.CLIPTextModelWithProjection, f"{kind.key}: text_2"))
    unet = dict(_mapping(options, "unet", kind))
    given: dict[str, Any] = {
        "in_channels": autoencoder.channels,
        "out_channels": autoencoder.channels,
        "cross_attention_dim": text.width,
    }
    if isinstance(text, TwinTextConditioning):
        sines = unet.setdefault("addition_time_embed_dim", 32)
        if not is_whole(sines) or sines < 2 or sines % 2:
            raise ConfigError(
                f"{kind.key}: unet: addition_time_embed_dim: must be an even number from 2 on, got {sines!r}."
            )
        width = text.pooled_width + _SIZES * int(sines)
        given |= {"addition_embed_type": "text_time", "projection_class_embeddings_input_dim": width}
    return autoencoder, text, _unet(unet, given, f"{kind.key}: unet")


def _mapping(options: Mapping[str, Any], name: str, kind: ModelKind) -> Mapping[str, Any]:
    value = options.get(name)
    if not isinstance(value, Mapping):
        raise ConfigError(f"{kind.key}: {name}: must be a mapping such as {_EXAMPLE[name]}, got {value!r}.")
    return value


def _positive(options: Mapping[str, Any], name: str, where: str) -> int:
    value = options.get(name)
    if not is_whole(value) or value < 1:
        raise ConfigError(f"{where}: {name}: must be a whole number from 1 on, got {value!r}.")
    return int(value)


def _autoencoder(options: Mapping[str, Any], where: str) -> Autoencoder:
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


def _text(options: Mapping[str, Any], model: Callable[..., Any], where: str) -> Any:
    check_keys(options, ("width", "layers", "heads"), where)
    width, layers, heads = (_positive(options, name, where) for name in ("width", "layers", "heads"))
    if width % heads:
        raise ConfigError(f"{where}: width: must be a multiple of heads ({heads}), got {width}.")
    config = transformers_library().CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        projection_dim=width,
    )
    return model(config)


def _unet(options: Mapping[str, Any], given: Mapping[str, Any], where: str) -> Any:
    for name, value in given.items():
        if name in options and options[name] != value:
            raise ConfigError(
                f"{where}: {name}: is {options[name]}, but autoencoder and text make it {value}; remove it."
            )
    return build_model(diffusers_library().UNet2DConditionModel, {**options, **given}, where)
