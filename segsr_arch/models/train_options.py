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
