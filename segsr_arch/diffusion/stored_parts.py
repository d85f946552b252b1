"""Parts of Stable Diffusion from a folder as diffusers writes it: looked at before anything large is read."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from safetensors import SafetensorError

from segsr_arch.diffusion.autoencoders import LatentAutoencoder
from segsr_arch.diffusion.library import diffusers_library, transformers_library
from segsr_arch.diffusion.parts import DiffusionParts
from segsr_arch.diffusion.text import VOCABULARY, TextConditioning
from segsr_arch.errors import WeightsError, first_line
from segsr_arch.semantics.vision_weights import require_network

_WEIGHTS = {"vae": "diffusion_pytorch_model", "unet": "diffusion_pytorch_model", "text_encoder": "model"}
_CONFIGS = (*(f"{part}/config.json" for part in _WEIGHTS), "scheduler/scheduler_config.json")
_FETCHED = (*_CONFIGS, "model_index.json", "tokenizer/*", *(f"{part}/{name}*" for part, name in _WEIGHTS.items()))
# Settings that ask for more than latents, time and one text, and whose they are.
_FOREIGN = {
    "addition_embed_type": "Stable Diffusion XL",
    "class_embed_type": "a model with classes",
    "num_class_embeds": "a model with classes",
    "encoder_hid_dim_type": "a model that reads images, or two texts",
}


def find_folder(given: str) -> Path:
    """Find the folder of a model: the path itself, or the copy of a model of the Hugging Face hub.

    Args:
        given: Path of a folder, or ``owner/name``.

    Raises:
        WeightsError: If there is none; it says how to get one.
    """
    path = Path(given).expanduser()
    if path.is_dir():
        return path
    remedy = (
        f"On a machine with a network, run: hf download {given if _is_hub_name(given) else 'OWNER/NAME'} --local-dir "
        f"stable-diffusion, copy that folder here, and give its path."
    )
    if path.is_file():
        raise WeightsError(
            f"stable_diffusion: {path} is a file; a folder is needed, as diffusers writes it. Make one of a file of "
            f"weights with StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER)."
        )
    if not _is_hub_name(given):
        raise WeightsError(f"stable_diffusion: there is no folder {path} (looked at {path.absolute()}). {remedy}")
    try:
        return Path(huggingface_hub.snapshot_download(given, local_files_only=True))
    except (OSError, ValueError):  # it is not in the cache
        pass
    try:
        require_network({"hf_hub": given})
        return Path(huggingface_hub.snapshot_download(given, allow_patterns=list(_FETCHED)))
    except Exception as error:  # whatever the network, the hub client or the disk raises: the remedy is the same
        raise WeightsError(
            f"stable_diffusion: {given} is neither a folder here nor in the cache of Hugging Face, and cannot be "
            f"fetched ({first_line(error, longest=200)}). {remedy}"
        ) from error


def _is_hub_name(given: str) -> bool:
    return given.count("/") == 1 and given[0] not in "./~"


def check_folder(folder: Path) -> None:
    """Find out from what is written beside the weights whether the parts are there, and of the kind that is needed.

    Args:
        folder: As diffusers writes it.

    Raises:
        WeightsError: If a part is missing, or they are not those of Stable Diffusion 1 or 2.
    """
    if (folder / "transformer").is_dir():
        raise WeightsError(
            f"{folder}: a model with a transformer instead of a UNet (Stable Diffusion 3, FLUX and others); a "
            f"ControlNet is made here from the UNet of Stable Diffusion 1 or 2. Give a folder of these."
        )
    missing = [name for name in _CONFIGS if not (folder / name).is_file()]
    missing += [f"{part}/{name}.safetensors" for part, name in _WEIGHTS.items() if _variant(folder, part) is None]
    if missing:
        raise WeightsError(
            f"{folder} is no whole model as diffusers writes it; missing: {', '.join(missing)}. Fetch it "
            f"again: hf download OWNER/NAME --local-dir {folder}"
        )
    vae, unet, text = (_read(folder / part / "config.json") for part in ("vae", "unet", "text_encoder"))
    for key, whose in _FOREIGN.items():
        if unet.get(key) is not None:
            raise WeightsError(
                f"{folder}/unet/config.json: {key}: {unet[key]} is that of {whose}; a ControlNet is made here from the "
                f"UNet of Stable Diffusion 1 or 2. Give a folder of these."
            )
    latents = vae.get("latent_channels", 4)
    for key in ("in_channels", "out_channels"):
        if unet.get(key, 4) != latents:
            raise WeightsError(
                f"{folder}/unet/config.json: {key} is {unet.get(key, 4)}, but the autoencoder has {latents} channels: "
                f"the UNet of another task, such as inpainting. Give a folder of plain text to image."
            )
    width = unet.get("cross_attention_dim", 1280)
    if width != text.get("hidden_size"):
        raise WeightsError(
            f"{folder}: its UNet reads texts of width {width}, but its text encoder gives {text.get('hidden_size')}: "
            f"they are of different models. Fetch it again."
        )
    vocabulary = folder / "tokenizer" / "vocab.json"
    entries = len(_read(vocabulary)) if vocabulary.is_file() else text.get("vocab_size")
    if entries != VOCABULARY:
        raise WeightsError(f"{folder}: its text encoder has {entries} tokens, not the {VOCABULARY} of CLIP.")


def load_folder(folder: Path, *, trains_unet: bool) -> DiffusionParts:
    """Read the parts of a folder.

    Args:
        folder: As diffusers writes it.
        trains_unet: Whether the UNet is trained.

    Raises:
        WeightsError: If a part is missing, damaged, or of another kind.
        DependencyError: If diffusers or transformers are missing.
    """
    check_folder(folder)
    diffusers, transformers = diffusers_library(), transformers_library()
    vae = _load(diffusers.AutoencoderKL.from_pretrained, folder, "vae")
    unet = _load(diffusers.UNet2DConditionModel.from_pretrained, folder, "unet")
    text = _load(transformers.CLIPTextModel.from_pretrained, folder, "text_encoder")
    return DiffusionParts(
        autoencoder=LatentAutoencoder(vae),
        text=TextConditioning(text, padding=_padding(folder)),
        unet=unet,
        schedule=schedule_of(folder),
        name=folder.name[:80],
        source="folder",
        trains_unet=trains_unet,
    )


def schedule_of(folder: Path) -> dict[str, Any]:
    """Read the configuration of a folder's noise schedule.

    Raises:
        WeightsError: If it cannot be read.
    """
    return _read(folder / "scheduler" / "scheduler_config.json")


def _variant(folder: Path, part: str) -> str | None:
    """The variant of a part's weights: the plain one (empty), or that of half precision; ``None`` without weights."""
    for variant, ending in (("", ""), ("fp16", ".fp16")):
        stem = f"{_WEIGHTS[part]}{ending}.safetensors"
        if (folder / part / stem).is_file() or (folder / part / f"{stem}.index{ending}.json").is_file():
            return variant
    return None


def _load(read: Callable[..., Any], folder: Path, part: str) -> Any:
    try:
        model, info = read(
            folder / part,
            local_files_only=True,
            use_safetensors=True,
            variant=_variant(folder, part) or None,
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


def _padding(folder: Path) -> int:
    """The token that the tokenizer fills texts up with: ``!`` in Stable Diffusion 2, the end of the text in 1."""
    path = folder / "tokenizer" / "special_tokens_map.json"
    token = _read(path).get("pad_token") if path.is_file() else None
    content = token.get("content") if isinstance(token, Mapping) else token
    return 0 if content == "!" else VOCABULARY - 1


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read ({first_line(error)}). Fetch it again.") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} is no configuration. Fetch it again.")
    return content
