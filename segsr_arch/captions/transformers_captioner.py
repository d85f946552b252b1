"""Multimodal models of transformers as captioners: LLaVA-NeXT, Qwen-VL and whatever else describes images there."""

import importlib
import os
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import torch
from PIL import Image

from segsr_arch.captions.captioner import PROMPT
from segsr_arch.errors import ConfigError, DependencyError, WeightsError, first_line
from segsr_arch.freezing import FrozenIdentity, state_digest
from segsr_arch.semantics.vision_weights import require_network

_INSTALL = "pip install 'segsr-arch[diffusion]'"
_LONGEST = 200  # characters of somebody else's message


class TransformersCaptioner:
    """A model of transformers that describes images; the likeliest token is taken each time.

    Args:
        model: The model, in evaluation mode.
        processor: Its processor.
        identity: Whose its weights are.
        prompt: What it is asked; ``None`` for :data:`PROMPT` if it has a chat template, else for nothing: a model
            without one takes a prompt for the beginning of the description.
        most_tokens: Length of a description at most.
    """

    def __init__(
        self, *, model: Any, processor: Any, identity: FrozenIdentity, prompt: str | None, most_tokens: int
    ) -> None:
        self.model = model
        self.processor = processor
        self.identity = identity
        self._chats = bool(getattr(processor, "chat_template", None))
        self.prompt = PROMPT if prompt is None and self._chats else prompt
        self.most_tokens = most_tokens
        # a model's own settings of sampling are put away, or it would say something else each time
        model.generation_config.update(do_sample=False, num_beams=1, temperature=None, top_p=None, top_k=None)

    def describe(self, image: np.ndarray) -> str:
        """Describe an image: (H, W, 3) RGB, uint8."""
        inputs = self.processor(images=Image.fromarray(image), return_tensors="pt", **self._text())
        inputs = inputs.to(self.model.device, self.model.dtype)
        with torch.no_grad():
            ids = self.model.generate(**inputs, max_new_tokens=self.most_tokens)[0]
        asked = inputs.get("input_ids")
        if asked is not None and torch.equal(ids[: asked.shape[1]], asked[0]):  # a decoder repeats what it was asked
            ids = ids[asked.shape[1] :]
        return str(self.processor.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def _text(self) -> dict[str, str]:
        if not self._chats:
            return {} if self.prompt is None else {"text": self.prompt}
        content = [{"type": "image"}, {"type": "text", "text": self.prompt}]
        message = [{"role": "user", "content": content}]
        return {"text": self.processor.apply_chat_template(message, add_generation_prompt=True)}


def load_transformers_captioner(
    name: str, *, prompt: str | None, most_tokens: int, cache_dir: str | None = None, device: str = "cpu"
) -> TransformersCaptioner:
    """Load a model of transformers. Code that comes with a model is never run.

    Args:
        name: Folder that ``save_pretrained`` wrote, or name on the Hugging Face hub.
        prompt: See :class:`TransformersCaptioner`.
        most_tokens: Length of a description at most.
        cache_dir: Folder of downloads; ``None`` for that of Hugging Face.
        device: Where it computes: on the CPU in float32, elsewhere as its weights are stored.

    Raises:
        ConfigError: If it is no model that makes text of images.
        WeightsError: If it cannot be had or read, or weights are missing in it.
        DependencyError: If transformers, or a package that the model needs, is not installed.
    """
    try:
        library: Any = importlib.import_module("transformers")  # its types change with each version
    except ImportError as error:
        raise DependencyError(f"Descriptions by {name} need transformers: {_INSTALL}") from error
    is_here = _find(name, cache_dir)
    place: dict[str, Any] = {"cache_dir": cache_dir, "local_files_only": is_here, "trust_remote_code": False}
    try:
        config = library.AutoConfig.from_pretrained(name, **place)
        if type(config) not in library.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
            raise ConfigError(
                f"--model {name}: is a {config.model_type}, which makes no text of images; give a model of "
                f"AutoModelForImageTextToText, such as LLaVA-NeXT or Qwen-VL."
            )
        processor = library.AutoProcessor.from_pretrained(name, **place)
        if not hasattr(processor, "tokenizer"):
            raise ConfigError(f"--model {name}: has no processor of both images and text, so it cannot be used here.")
        model, found = library.AutoModelForImageTextToText.from_pretrained(
            name, dtype=torch.float32 if device == "cpu" else "auto", output_loading_info=True, **place
        )
    except ConfigError:
        raise
    except ImportError as error:
        raise DependencyError(f"--model {name}: needs a package that is missing: {str(error)[:_LONGEST]}") from error
    except Exception as error:  # the hub's client, the readers and transformers raise whatever they like
        raise WeightsError(
            f"--model {name}: cannot be loaded ({first_line(error, longest=_LONGEST)}). {_remedy(name)}"
        ) from error
    if found["missing_keys"] or found["mismatched_keys"]:  # which transformers would leave random, with a warning
        keys = sorted(map(str, [*found["missing_keys"], *found["mismatched_keys"]]))
        raise WeightsError(
            f"--model {name}: its weights do not fit its configuration: {len(keys)} are missing or of another size, "
            f"{keys[0]} for instance. {_remedy(name)}"
        )
    state = model.state_dict()
    source = "folder" if Path(name).is_dir() else "hub"
    identity = FrozenIdentity(name=Path(name).name, source=source, digest=state_digest(state))
    return TransformersCaptioner(
        model=model.eval().requires_grad_(False).to(device),
        processor=processor,
        identity=identity,
        prompt=prompt,
        most_tokens=most_tokens,
    )


def _find(name: str, cache_dir: str | None) -> bool:
    """Tell whether a model is on this machine; raises at once if it is neither here nor to be had."""
    if Path(name).is_dir():
        if not Path(name, "config.json").is_file():
            raise WeightsError(f"--model {name}: holds no config.json; give a folder that save_pretrained has written.")
        return True
    try:
        cached = huggingface_hub.try_to_load_from_cache(name, "config.json", cache_dir=cache_dir)
    except ValueError as error:  # no name that the hub could have, so it was meant as a folder
        raise WeightsError(f"--model {name}: no such folder (seen from {Path.cwd()}).") from error
    if isinstance(cached, str):
        return True
    try:
        require_network({"hf_hub": name})
    except OSError as error:
        raise WeightsError(
            f"--model {name}: is neither a folder (seen from {Path.cwd()}) nor in the cache of Hugging Face, and its "
            f"hub cannot be reached ({error.strerror or error}). {_remedy(name)}"
        ) from error
    return False


def _remedy(name: str) -> str:
    if os.path.isdir(name):
        return "Give a folder that save_pretrained of its model and processor has written whole."
    return (
        f"On a machine with a network, run: hf download {name} --local-dir FOLDER, copy the folder here, and give it "
        f"as --model."
    )
