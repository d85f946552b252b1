"""Options that :class:`~segsr_arch.models.segsr_model.SeGSRModel` reads from ``train:`` beyond BasicSR's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, option

AMP_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class TrainOptions(OptionGroup):
    """Additions to ``train:``.

    Raises:
        ConfigError: If a value is of the wrong type or out of range.
    """

    section = "train"
    shares_section = True

    amp: str | None = option(
        None, help="autocast in training: bf16, fp16 or null (float32)", choices=(*AMP_DTYPES, None)
    )
    grad_clip: float | None = option(None, help="largest norm of all gradients together; null for no limit", above=0)
    accumulate: int = option(1, help="split each batch into this many, to save memory", minimum=1)
    lora_lr_factor: float = option(1.0, help="learning rate of LoRA over that of the rest", minimum=0)


@dataclass(frozen=True, kw_only=True)
class ValidationOptions(OptionGroup):
    """Additions to ``val:``.

    Raises:
        ConfigError: If a value is of the wrong type or out of range.
    """

    section = "val"
    shares_section = True

    tensorboard_images: int = option(3, help="images, with their guidance maps, shown in TensorBoard", minimum=0)


def check_training(opt: Mapping[str, Any]) -> TrainOptions:
    """Check what ``train:`` and the training data set have to agree on.

    Args:
        opt: The whole options of a training.

    Returns:
        The additions to ``train:``.

    Raises:
        ConfigError: If one of them is wrong, there is no loss, or a batch cannot be split as ``accumulate`` says.
    """
    train = opt["train"]
    options = TrainOptions.read(train)
    if not (train.get("pixel_opt") or train.get("perceptual_opt")):
        raise ConfigError("train: needs a loss: pixel_opt or perceptual_opt.")
    batch = opt["datasets"]["train"]["batch_size_per_gpu"]
    if batch % options.accumulate:
        raise ConfigError(
            f"train: accumulate: {options.accumulate} must divide datasets: train: "
            f"batch_size_per_gpu: {batch}, because each batch is split into that many equal parts."
        )
    if options.accumulate > 1 and (train.get("pixel_opt") or {}).get("reduction", "mean") != "mean":
        raise ConfigError("train: accumulate: needs a pixel loss with reduction: mean.")
    return options
