"""Options of ``train:`` and ``val:`` beyond BasicSR's own, and what they have to agree on with others."""

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
    compile: bool = option(False, help="train through torch.compile: minutes at the start, faster steps on a GPU")
    ema_warmup: bool = option(
        False, help="the moving average follows faster at first: ema_decay is at most (1 + iter) / (10 + iter)"
    )


@dataclass(frozen=True, kw_only=True)
class GuideTrainOptions(OptionGroup):
    """Additions to ``train:`` for guided networks.

    Raises:
        ConfigError: If a value is of the wrong type or out of range.
    """

    section = "train"
    shares_section = True

    lora_lr_factor: float = option(1.0, help="learning rate of LoRA over that of the rest", minimum=0)
    unit_penalty: float = option(
        0.0,
        help="weight of the mean squared cosine between the localization embeddings of two units, a loss that keeps "
        "units apart (not in eq. 11)",
        minimum=0,
    )


@dataclass(frozen=True, kw_only=True)
class ValidationOptions(OptionGroup):
    """Additions to ``val:``.

    Raises:
        ConfigError: If a value is of the wrong type or out of range.
    """

    section = "val"
    shares_section = True

    tensorboard_images: int = option(3, help="images, with their guidance maps, shown in TensorBoard", minimum=0)


def check_batches(opt: Mapping[str, Any], options: TrainOptions) -> None:
    """Check that a batch can be split as ``accumulate`` says.

    Args:
        opt: The whole options of a training.
        options: The additions to its ``train:``.

    Raises:
        ConfigError: If it cannot.
    """
    batch = opt["datasets"]["train"]["batch_size_per_gpu"]
    if batch % options.accumulate:
        raise ConfigError(
            f"train: accumulate: {options.accumulate} must divide datasets: train: "
            f"batch_size_per_gpu: {batch}, because each batch is split into that many equal parts."
        )


def check_image_losses(train: Mapping[str, Any]) -> None:
    """Check that there is a loss between images, and one that can be computed in parts if ``accumulate`` says so.

    Args:
        train: The ``train:`` section.

    Raises:
        ConfigError: If it does not.
    """
    if not (train.get("pixel_opt") or train.get("perceptual_opt")):
        raise ConfigError("train: needs a loss: pixel_opt or perceptual_opt.")
    if TrainOptions.read(train).accumulate > 1 and (train.get("pixel_opt") or {}).get("reduction", "mean") != "mean":
        raise ConfigError("train: accumulate: needs a pixel loss with reduction: mean.")
