"""Parts of Stable Diffusion from a folder as diffusers writes it: looked at before anything large is read."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from safetensors import SafetensorError

from segsr_arch.diffusion.library import diffusers_library, transformers_library
from segsr_arch.diffusion.parts.autoencoders import LatentAutoencoder
from segsr_arch.diffusion.parts.model_kinds import ModelKind
from segsr_arch.diffusion.parts.parts import DiffusionParts
from segsr_arch.diffusion.parts.text import VOCABULARY, TextConditioning, TwinTextConditioning
from segsr_arch.errors import WeightsError, first_line
from segsr_arch.semantics.vision_weights import require_network

_SCHEDULE = "scheduler/scheduler_config.json"
_INDEX = "model_index.json"
# Settings that ask for more than latents, time and texts, and whose they are.
_FOREIGN = {
    "class_embed_type": "a model with classes",
    "num_class_embeds": "a model with classes",
    "encoder_hid_dim_type": "a model that reads images, or two texts",
}


def find_folder(given: str, kind: ModelKind) -> Path:
    """Find the folder of a model: the path itself, or the copy of a model of the Hugging Face hub.

    Args:
        given: Path of a folder, or ``owner/name``.
        kind: What kind of model it must be.

    Raises:
        WeightsError: If there is none; it says how to get one.
    """
    path = Path(given).expanduser()
    if path.is_dir():
        return path
    folder = kind.key.replace("_", "-")
    remedy = (
        f"On a machine with a network, run: hf download {given if _is_hub_name(given) else 'OWNER/NAME'} --local-dir "
        f"{folder}, copy that folder here, and give its path."
    )
    if path.is_file():
        raise WeightsError(
            f"{kind.key}: {path} is a file; a folder is needed, as diffusers writes it. Make one of a file of weights "
            f"with StableDiffusion{'XL' if kind.is_xl else ''}Pipeline.from_single_file(FILE).save_pretrained(FOLDER)."
        )
    if not _is_hub_name(given):
        raise WeightsError(f"{kind.key}: there is no folder {path} (looked at {path.absolute()}). {remedy}")
    try:
        return Path(huggingface_hub.snapshot_download(given, local_files_only=True))
    except (OSError, ValueError):  # it is not in the cache
        pass
    try:
        require_network({"hf_hub": given})
        return Path(huggingface_hub.snapshot_download(given, allow_patterns=_fetched(kind)))
    except Exception as error:  # whatever the network, the hub client or the disk raises: the remedy is the same
        raise WeightsError(
            f"{kind.key}: {given} is neither a folder here nor in the cache of Hugging Face, and cannot be "
            f"fetched ({first_line(error, longest=200)}). {remedy}"
        ) from error


def _is_hub_name(given: str) -> bool:
    return given.count("/") == 1 and given[0] not in "./~"


def check_folder(folder: Path, kind: ModelKind) -> None:
    """Find out from what is written beside the weights whether the parts are there, and of the kind that is needed.

    Args:
        folder: As diffusers writes it.
        kind: What kind of model it must be.

    Raises:
        WeightsError: If a part is missing, or they are those of another kind of model.
    """
    _check_unet(folder, kind)
    missing = [name for name in _configs(kind) if not (folder / name).is_file()]
    missing += [
        f"{part}/{name}.safetensors" for part, name in kind.weights.items() if not _variants(folder, part, kind)
    ]
    if missing:
        raise WeightsError(
            f"{folder} is no whole model as diffusers writes it; missing: {', '.join(missing)}. Fetch it "
            f"again: hf download OWNER/NAME --local-dir {folder}"
        )
    vae, unet = (_read(folder / part / "config.json") for part in ("vae", "unet"))
    latents = vae.get("latent_channels", 4)
    for key in ("in_channels", "out_channels"):
        if unet.get(key, 4) != latents:
            raise WeightsError(
                f"{folder}/unet/config.json: {key} is {unet.get(key, 4)}, but the autoencoder has {latents} channels: "
                f"the UNet of another task, such as inpainting. Give a folder of plain text to image."
            )
    texts = [_read(folder / part / "config.json") for part in kind.texts]
    _check_width(folder, "texts of width", unet.get("cross_attention_dim", 1280), [t.get("hidden_size") for t in texts])
    if kind.is_xl:  # six sizes, and the text as a whole
        sizes = 6 * (unet.get("addition_time_embed_dim") or 0)
        wanted = (unet.get("projection_class_embeddings_input_dim") or 0) - sizes
        _check_width(folder, "a text as a whole of width", wanted, [texts[-1].get("projection_dim")])
    for part, text in zip(kind.texts, texts, strict=True):
        vocabulary = folder / kind.tokenizer(part) / "vocab.json"
        entries = len(_read(vocabulary)) if vocabulary.is_file() else text.get("vocab_size")
        if entries != VOCABULARY:
            raise WeightsError(f"{folder}: its {part} has {entries} tokens, not the {VOCABULARY} of CLIP.")


def _check_unet(folder: Path, kind: ModelKind) -> None:
    """Refuse models of another kind before anything is said to be missing: other kinds have other parts."""
    if (folder / "transformer").is_dir():
        raise WeightsError(
            f"{folder}: a model with a transformer instead of a UNet (Stable Diffusion 3, FLUX and others); a "
            f"ControlNet is made here from the UNet of {kind.title}. {kind.remedy}"
        )
    path = folder / "unet" / "config.json"
    if not path.is_file():
        return
    unet = _read(path)
    whose = {"text_time": "Stable Diffusion XL", None: "Stable Diffusion 1 or 2"}
    added = unet.get("addition_embed_type")
    found = [("addition_embed_type", added, whose.get(added, "another model"))]
    if added == ("text_time" if kind.is_xl else None):
        found = [(key, unet[key], owner) for key, owner in _FOREIGN.items() if unet.get(key) is not None]
    for key, value, owner in found:
        raise WeightsError(
            f"{path}: {key}: {'null' if value is None else value} is that of {owner}; a ControlNet is made here from "
            f"the UNet of {kind.title}. {kind.remedy}"
        )


def _check_width(folder: Path, what: str, wanted: Any, given: Sequence[Any]) -> None:
    if wanted != sum(width or 0 for width in given):
        encoders = "text encoder gives" if len(given) == 1 else "text encoders give"
        raise WeightsError(
            f"{folder}: its UNet reads {what} {wanted}, but its {encoders} {' and '.join(map(str, given))}: they are "
            f"of different models. Fetch it again."
        )


def load_folder(folder: Path, kind: ModelKind, *, trains_unet: bool) -> DiffusionParts:
    """Read the parts of a folder.

    Args:
        folder: As diffusers writes it.
        kind: What kind of model it must be.
        trains_unet: Whether the UNet is trained.

    Raises:
        WeightsError: If a part is missing, damaged, or of another kind.
        DependencyError: If diffusers or transformers are missing.
    """
    check_folder(folder, kind)
    diffusers, transformers = diffusers_library(), transformers_library()

    def load(model: Any, part: str) -> Any:
        return _load(model.from_pretrained, folder, part, kind)

    vae, unet = load(diffusers.AutoencoderKL, "vae"), load(diffusers.UNet2DConditionModel, "unet")
    first, *second = kind.texts
    encoder = load(transformers.CLIPTextModel, first)
    text: TextConditioning | TwinTextConditioning
    if second:
        text = TwinTextConditioning(
            encoder,
            load(transformers.CLIPTextModelWithProjection, second[0]),
            paddings=(_padding(folder, first, kind), _padding(folder, second[0], kind)),
            zero_silence=_zero_silence(folder),
        )
    else:
        text = TextConditioning(encoder, padding=_padding(folder, first, kind))
    return DiffusionParts(
        autoencoder=LatentAutoencoder(vae),
        text=text,
        unet=unet,
        schedule=schedule_of(folder),
        kind=kind,
        name=folder.name[:80],
        source="folder",
        trains_unet=trains_unet,
    )


def schedule_of(folder: Path) -> dict[str, Any]:
    """Read the configuration of a folder's noise schedule.

    Raises:
        WeightsError: If it cannot be read.
    """
    return _read(folder / _SCHEDULE)


def _configs(kind: ModelKind) -> list[str]:
    return [*(f"{part}/config.json" for part in kind.weights), _SCHEDULE]


def _fetched(kind: ModelKind) -> list[str]:
    """What is fetched of a model on a hub."""
    tokenizers = [f"{kind.tokenizer(text)}/*" for text in kind.texts]
    return [*_configs(kind), _INDEX, *tokenizers, *(f"{part}/{name}*" for part, name in kind.weights.items())]


def _variants(folder: Path, part: str, kind: ModelKind) -> list[str]:
    """The variants of a part's weights that are there: the plain one (empty) first, or that of half precision."""
    found = []
    for variant, ending in (("", ""), ("fp16", ".fp16")):
        stem = f"{kind.weights[part]}{ending}.safetensors"
        if (folder / part / stem).is_file() or (folder / part / f"{stem}.index{ending}.json").is_file():
            found.append(variant)
    return found


def _load(read: Callable[..., Any], folder: Path, part: str, kind: ModelKind) -> Any:
    try:
        model, info = read(
            folder / part,
            local_files_only=True,
            use_safetensors=True,
            variant=_variants(folder, part, kind)[0] or None,
            torch_dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise WeightsError(
            f"{folder / part} cannot be read ({first_line(error, longest=200)}). Fetch it again."
        ) from error
    missing = sorted(info["missing_keys"])
    if missing:  # the library would fill them with random numbers
        raise WeightsError(
            f"{folder / part}: its weights do not belong to its config.json: {len(missing)} missing, the first "
            f"{missing[0]}. Fetch it again."
        )
    return model


def _padding(folder: Path, text: str, kind: ModelKind) -> int:
    """The token that the tokenizer fills texts up with: ``!`` in Stable Diffusion 2, the end of the text in 1."""
    path = folder / kind.tokenizer(text) / "special_tokens_map.json"
    token = _read(path).get("pad_token") if path.is_file() else None
    content = token.get("content") if isinstance(token, Mapping) else token
    if content is None and text == "text_encoder_2":  # of Stable Diffusion XL, whose second tokenizer has "!"
        return 0
    return 0 if content == "!" else VOCABULARY - 1


def _zero_silence(folder: Path) -> bool:
    """Whether no text is zero, as ``model_index.json`` of Stable Diffusion XL says."""
    path = folder / _INDEX
    return bool(_read(path).get("force_zeros_for_empty_prompt", True)) if path.is_file() else True


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read ({first_line(error)}). Fetch it again.") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} is no configuration. Fetch it again.")
    return content
