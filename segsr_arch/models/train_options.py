"""Options that :class:`~segsr_arch.models.segsr_model.SeGSRModel` reads from ``train:`` beyond BasicSR's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from segsr_arch.errors import ConfigError

AMP_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Additions to ``train:``.

    Raises:
        ConfigError: If a value is of the wrong type or out of range.
    """

    amp: str | None = field(default=None, metadata={"help": "autocast in training: bf16, fp16 or null (float32)"})
    grad_clip: float | None = field(default=None, metadata={"help": "largest norm of all gradients together"})
    accumulate: int = field(default=1, metadata={"help": "split each batch into this many, to save memory"})
    lora_lr_factor: float = field(default=1.0, metadata={"help": "learning rate of LoRA over that of the rest"})

    def __post_init__(self) -> None:
        if self.amp is not None and self.amp not in AMP_DTYPES:
            raise ConfigError(f"train: amp: must be bf16, fp16 or null, got {self.amp!r}.")
        if self.grad_clip is not None and not self.grad_clip > 0:
            raise ConfigError(f"train: grad_clip: must be above 0 or null, got {self.grad_clip!r}.")
        if isinstance(self.accumulate, bool) or not isinstance(self.accumulate, int) or self.accumulate < 1:
            raise ConfigError(f"train: accumulate: must be a whole number of at least 1, got {self.accumulate!r}.")
        if not self.lora_lr_factor >= 0:
            raise ConfigError(f"train: lora_lr_factor: must be at least 0, got {self.lora_lr_factor!r}.")

    @classmethod
    def from_options(cls, train_options: Mapping[str, Any]) -> "TrainOptions":
        """Pick these options out of the whole ``train:`` mapping."""
        names = {item.name for item in fields(cls)}
        return cls(**{key: value for key, value in train_options.items() if key in names})


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
    options = TrainOptions.from_options(train)
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
