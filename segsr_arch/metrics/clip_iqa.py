"""CLIP-IQA (Wang et al. 2023): how much more an image resembles "Good photo." than "Bad photo." in CLIP's joint space.

Implementations differ in model and preparation, so a figure only means something beside its backend. This one follows
torchmetrics' variant for models of transformers; torchmetrics' own (1.9) fails with transformers 5, whose models
return objects where it expects tensors.
"""

import os
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import torch
from torch import Tensor

from segsr_arch.errors import DependencyError, WeightsError
from segsr_arch.metrics.definition import LoadedImageMetric, LoadOptions
from segsr_arch.metrics.images import to_8_bits
from segsr_arch.semantics.vision_weights import require_network

PROMPTS = ["Good photo.", "Bad photo."]
_LOGIT_SCALE = 100.0  # what CLIP's learned temperature ended at


def _directions(output: Any) -> Tensor:
    """Embeddings (n, C) of length 1; transformers returns a tensor up to version 4, an object from version 5 on."""
    embeddings = output if torch.is_tensor(output) else output.pooler_output
    return torch.nn.functional.normalize(embeddings.float(), dim=-1)


def _is_here(name: str) -> bool:
    return os.path.isdir(name) or isinstance(huggingface_hub.try_to_load_from_cache(name, "config.json"), str)


def _load(name: str) -> tuple[Any, Any]:
    """Model and processor, from a folder, the cache or, where there is a network, the hub."""
    from transformers import CLIPModel, CLIPProcessor

    here = _is_here(name)
    try:
        if not here:
            require_network({"hf_hub": name})
        return (
            CLIPModel.from_pretrained(name, local_files_only=here),
            CLIPProcessor.from_pretrained(name, local_files_only=here),
        )
    except Exception as error:  # whatever the network, the hub client, the disk or transformers raise
        reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), 'no message')[:200]}"
        raise WeightsError(
            f"clip_iqa: the model {name!r} cannot be loaded ({reason}). On a machine with a network, run: python -c "
            f"\"from transformers import CLIPModel, CLIPProcessor as P; n = '{name}'; "
            f"CLIPModel.from_pretrained(n).save_pretrained('clip'); P.from_pretrained(n).save_pretrained('clip')\" and "
            f"give the path of that folder as the model."
        ) from error


def load_clip_iqa(options: LoadOptions) -> LoadedImageMetric:
    """Load the CLIP model and embed the two prompts.

    Args:
        options: The device and ``clip_iqa_model`` are read.

    Returns:
        The metric, from 0 to 1, of images of 8 bits (16 bits are rounded). The model's own preparation resizes the
        shorter side (to 224 pixels for most) and cuts out the centre.

    Raises:
        DependencyError: If transformers is not installed.
        WeightsError: If the model cannot be had or read.
    """
    try:
        import transformers
    except ImportError as error:
        raise DependencyError(
            f"clip_iqa: needs transformers ({error}). Install it with: pip install 'segsr-arch[perceptual]'"
        ) from error
    model, processor = _load(options.clip_iqa_model)
    model = model.to(options.device).eval()
    with torch.inference_mode():
        text = processor(text=PROMPTS, return_tensors="pt", padding=True).to(options.device)
        anchors = _directions(
            model.get_text_features(input_ids=text["input_ids"], attention_mask=text["attention_mask"])
        )

    @torch.inference_mode()
    def compute(sr, gt, lq, scale):
        rgb = np.ascontiguousarray(to_8_bits(sr)[..., ::-1])
        pixels = processor(images=[rgb], return_tensors="pt", input_data_format="channels_last")["pixel_values"]
        image = _directions(model.get_image_features(pixel_values=pixels.to(options.device)))
        return (_LOGIT_SCALE * image @ anchors.T).softmax(dim=-1)[0, 0].item()

    shown = Path(options.clip_iqa_model).name if os.path.isdir(options.clip_iqa_model) else options.clip_iqa_model
    return LoadedImageMetric(
        backend=f"segsr with transformers {transformers.__version__}, {shown}, {PROMPTS[0]!r} / {PROMPTS[1]!r}",
        compute=compute,
    )
