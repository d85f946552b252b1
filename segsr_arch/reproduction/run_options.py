"""From a network of a table to the option mappings of its training and of its measurement."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from segsr_arch.errors import ConfigError
from segsr_arch.reproduction.presets import Preset, Schedule
from segsr_arch.reproduction.variants import Variant
from segsr_arch.reproduction.widening import Widened, widen
from segsr_arch.training.option_files import paired_images, psnr_and_ssim

DATASET_NAMES = {"UCM": "UCMerced", "AID": "AID"}
_PRINT_FREQ = 100
_WARM_UP_BELOW = 20
"""Time constants of the moving average in a training; one of fewer warms the average up."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all runs of a table have in common.

    Attributes:
        preset: Sizes.
        dataset: ``UCM`` or ``AID``.
        scale: Upscaling factor.
        data: Folder that ``segsr prepare`` has made, as it stands in the option files.
        iterations: Of each training; ``None`` for the preset's.
        vlm: Vision-language model in place of the preset's: an open_clip name or the path of a configuration.
        vlm_pretrained: Its weights in place of the preset's: a tag or a path.
        num_gpu: As in option files; 0 for the CPU.
        amp: Precision of autocast in training; ``None`` for float32.
        final_split: On which images the finished network is measured. On ``val`` nothing is selected by them: the
            network after the last iteration is measured. On ``test`` it is the best one on ``val``.
        data_digest: Which images the folder holds; ``None`` if nobody looked.
        vlm_digest: SHA-256 of the files ``vlm`` and ``vlm_pretrained``; ``None`` if neither is a file.
    """

    preset: Preset
    dataset: str
    scale: int
    data: str
    iterations: int | None = None
    vlm: str | None = None
    vlm_pretrained: str | None = None
    num_gpu: int = 0
    amp: Literal["bf16"] | None = None
    final_split: Literal["test", "val"] = "test"
    data_digest: str | None = None
    vlm_digest: str | None = None

    @property
    def schedule(self) -> Schedule:
        """Number of iterations and milestones."""
        own = self.preset.schedules[self.dataset]
        return own if self.iterations is None else Schedule(iterations=self.iterations, milestones=own.milestones)

    def dataset_name(self, split: str) -> str:
        """Name of a split in option files and results."""
        return f"{DATASET_NAMES[self.dataset]}_{split}"

    def folder(self, split: str, side: Literal["HR", "LR"]) -> str:
        """LMDB of a split."""
        return f"{self.data}/{split}/{side}_x{self.scale}.lmdb"


def semantics_of(variant: Variant, settings: Settings) -> dict[str, Any] | None:
    """Options of a variant's guide.

    Returns:
        The mapping under ``semantics:``; ``None`` without a guide.

    Raises:
        ConfigError: If the variant needs pretrained weights and neither preset nor settings name any.
    """
    if variant.units is None:
        return None
    semantics = dict(settings.preset.semantics)
    if settings.vlm is not None:
        semantics["vlm"] = settings.vlm
    if settings.vlm_pretrained is not None:
        semantics["pretrained"] = settings.vlm_pretrained
    if variant.weights == "random":
        semantics["pretrained"] = None
    elif variant.weights == "pretrained" and semantics["pretrained"] is None:
        raise ConfigError(
            f"{variant.key}: preset {settings.preset.name} has random weights in its vision-language model; give "
            f"--vlm-pretrained FILE (and --vlm, unless they belong to the preset's model)."
        )
    semantics |= variant.semantics
    rank = semantics["lora_rank"] * variant.rank_factor
    if rank != int(rank) or rank < 1:
        raise ConfigError(f"{variant.key}: a LoRA rank of {rank} is not possible.")
    # The update keeps the weight alpha / rank = 1 of eq. 2.
    semantics["lora_rank"] = semantics["lora_alpha"] = int(rank)
    if semantics["lora_targets"] == "none":
        del semantics["lora_rank"], semantics["lora_alpha"]
    return semantics


def network_options(variant: Variant, settings: Settings) -> dict[str, Any]:
    """Options under ``network_g:``.

    Raises:
        ConfigError: If the preset has no such base, or the guide is not possible.
    """
    base = settings.preset.network(variant.base, settings.scale)
    if (found := widened_base(variant, settings)) is not None:
        return dict(found.options)
    semantics = semantics_of(variant, settings)
    if semantics is None:
        return base
    return {"type": "SemanticSR", "base": base, "units": variant.units, "semantics": semantics}


def widened_base(variant: Variant, settings: Settings) -> Widened | None:
    """Widen the base of a variant that is to be as large as a guided one; ``None`` for any other variant.

    Raises:
        ConfigError: If it cannot be widened.
    """
    if variant.as_large_as is None:
        return None
    base = settings.preset.network(variant.base, settings.scale)
    return widen(base, network_options(variant.as_large_as, settings))


def network_key(variant: Variant, settings: Settings) -> str:
    """Name a network with its data set, scale and, if it has a guide, weights; the same network has the same name."""
    semantics = semantics_of(variant, settings)
    weights = ""
    if semantics is not None:
        weights = "_" + ("random" if semantics["pretrained"] is None else as_word(semantics["pretrained"]))
        if settings.vlm is not None:
            weights = f"_{as_word(settings.vlm)}{weights}"
    elif variant.as_large_as is not None and settings.vlm is not None:  # on whose size its own depends
        weights = f"_{as_word(settings.vlm)}"
    return f"{variant.key}_{settings.dataset}_x{settings.scale}{weights}"


def as_word(text: str) -> str:
    """Make a file name or tag a part of a run's name: the stem of a path, and only letters, digits and hyphens."""
    stem = Path(text).stem if "/" in text or "\\" in text or Path(text).suffix else text
    return re.sub(r"[^A-Za-z0-9-]+", "-", stem)


def _dataset(settings: Settings, split: str) -> dict[str, Any]:
    return paired_images(settings.dataset_name(split), settings.data, split, settings.scale)


def _head(settings: Settings, name: str, seed: int) -> dict[str, Any]:
    return {
        "name": name,
        "model_type": "SeGSRModel",
        "scale": settings.scale,
        "num_gpu": settings.num_gpu,
        "manual_seed": seed,
    }


def train_options(variant: Variant, settings: Settings, *, name: str, seed: int) -> dict[str, Any]:
    """Options of a training, for ``basicsr train``.

    Args:
        variant: The network.
        settings: What it has in common with others.
        name: Name of the run.
        seed: ``manual_seed``.

    Returns:
        The mapping of an option file.

    Raises:
        ConfigError: If the network is not possible.
    """
    preset, schedule = settings.preset, settings.schedule
    training = {
        **_dataset(settings, "train"),
        "gt_size": preset.lr_patch * settings.scale,
        "use_hflip": True,
        "use_rot": True,
        "num_worker_per_gpu": preset.workers,
        "batch_size_per_gpu": preset.batch,
        "dataset_enlarge_ratio": 10 if preset.workers == 0 else 1,
        "persistent_workers": preset.workers > 0,
        "pin_memory": preset.workers > 0,
    }
    learning: dict[str, Any] = {} if preset.grad_clip is None else {"grad_clip": preset.grad_clip}
    if settings.amp is not None:
        learning["amp"] = settings.amp
    if schedule.iterations * (1 - preset.ema_decay) < _WARM_UP_BELOW:
        # A short training would end before its average has forgotten the initial network.
        learning["ema_warmup"] = True
    learning |= {
        "ema_decay": preset.ema_decay,
        "optim_g": {"type": "Adam", "lr": preset.learning_rate, "betas": list(preset.betas), "weight_decay": 0},
        "scheduler": {
            "type": "MultiStepLR",
            "milestones": [round(part * schedule.iterations) for part in schedule.milestones],
            "gamma": 0.5,
        },
        "total_iter": schedule.iterations,
        "warmup_iter": -1,
        "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        **variant.train,
    }
    return {
        **_head(settings, name, seed),
        "datasets": {"train": training, "val": _dataset(settings, "val")},
        "network_g": network_options(variant, settings),
        "path": {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None},
        "train": learning,
        "val": {
            "val_freq": min(preset.val_freq, schedule.iterations),
            "save_img": False,
            "pbar": False,
            "metrics": psnr_and_ssim(settings.scale),
        },
        "logger": {
            "print_freq": min(_PRINT_FREQ, schedule.iterations),
            "save_checkpoint_freq": min(preset.save_freq, schedule.iterations),
            "use_tb_logger": preset.name == "full",
        },
    }


def final_options(variant: Variant, settings: Settings, *, name: str, seed: int) -> dict[str, Any]:
    """Options of the measurement of a finished training, for ``segsr evaluate -opt`` and ``basicsr test``.

    Args:
        variant: The network.
        settings: What it has in common with others.
        name: Name of the training.
        seed: Its seed.

    Returns:
        The mapping of an option file. Paths are relative to the folder that holds ``experiments``.

    Raises:
        ConfigError: If the network is not possible.
    """
    chosen = "best" if settings.final_split == "test" else "latest"
    return {
        **_head(settings, name, seed),
        "datasets": {"test": _dataset(settings, settings.final_split)},
        "network_g": network_options(variant, settings),
        "path": {
            "pretrain_network_g": f"experiments/{name}/models/net_g_{chosen}.pth",
            "param_key_g": "params_ema",
            "strict_load_g": True,
        },
        "val": {"save_img": True, "suffix": None, "metrics": psnr_and_ssim(settings.scale)},
    }
