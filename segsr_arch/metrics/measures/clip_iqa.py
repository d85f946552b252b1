"""CLIP-IQA (Wang et al. 2023): how much more an image resembles "Good photo." than "Bad photo." in CLIP's joint space.

Implementations differ in model and preparation, so a value only means something beside its backend. This one follows
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

from segsr_arch.errors import WeightsError, first_line
from segsr_arch.metrics.metric import Compute, Metric
from segsr_arch.semantics.vision_weights import require_network

CLIP_IQA_MODEL = "openai/clip-vit-base-patch16"
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
        raise WeightsError(
            f"clip_iqa: the model {name!r} cannot be loaded ({first_line(error)}). On a machine with a network, run: "
            f"python -c \"from transformers import CLIPModel, CLIPProcessor as P; n = '{name}'; "
            f"CLIPModel.from_pretrained(n).save_pretrained('clip'); P.from_pretrained(n).save_pretrained('clip')\" and "
            f"give the path of that folder as the model."
        ) from error


def _load_metric(*, device: torch.device, model: str = CLIP_IQA_MODEL) -> tuple[str, Compute]:
    """Load the CLIP model and embed the two prompts.

    The model's own preparation resizes the shorter side (to 224 pixels for most) and cuts out the centre.

    Args:
        device: Where it runs.
        model: Name or local folder of a CLIP model of transformers.
    """
    import transformers

    network, processor = _load(model)
    network = network.to(device).eval()
    with torch.inference_mode():
        text = processor(text=PROMPTS, return_tensors="pt", padding=True).to(device)
        anchors = _directions(
            network.get_text_features(input_ids=text["input_ids"], attention_mask=text["attention_mask"])
        )

    @torch.inference_mode()
    def compute(sr: np.ndarray) -> float:
        pixels = processor(images=[sr], return_tensors="pt", input_data_format="channels_last")["pixel_values"]
        image = _directions(network.get_image_features(pixel_values=pixels.to(device)))
        return (_LOGIT_SCALE * image @ anchors.T).softmax(dim=-1)[0, 0].item()

    shown = Path(model).name if os.path.isdir(model) else model
    return f"segsr with transformers {transformers.__version__}, {shown}, {PROMPTS[0]!r} / {PROMPTS[1]!r}", compute


METRICS = (
    Metric(
        name="clip_iqa",
        title="CLIP-IQA",
        better="higher",
        needs="nothing",
        reads="8-bit RGB",
        package="transformers",
        extra="perceptual",
        description="From bad photo (0) to good photo (1); implementations differ.",
        source="Wang et al. 2023",
        loader=_load_metric,
    ),
)
