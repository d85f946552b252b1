"""The option files of a fine-tuning: its training, and the tests that compare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segsr_arch.finetuning.start import Start
from segsr_arch.training.option_files import paired_images, psnr_and_ssim

DATA, RUNS = "data", "experiments"
VAL = "val"
_VALIDATIONS, _LOGGED = 8, 60
_EMA_DECAY = 0.999
_ETA_MIN = 1e-7


@dataclass(frozen=True, kw_only=True)
class TuneSettings:
    """What a fine-tuning is asked to do.

    Attributes:
        name: Of the run, and of what comes out.
        dataset: What the images are called.
        patch: Side of a patch in LR pixels.
        batch: Patches of an iteration.
        learning_rate: At the start; it falls as a cosine.
        seed: ``manual_seed``.
        amp: ``bf16``, or ``None`` for float32.
        num_gpu: 0 or 1.
        degradation: Chain of the LR images, as option files name it; ``None`` for the bicubic reduction.
    """

    name: str
    dataset: str
    patch: int
    batch: int
    learning_rate: float
    seed: int
    amp: str | None
    num_gpu: int
    degradation: str | Sequence[Mapping[str, Any]] | None


def _head(name: str, start: Start, settings: TuneSettings) -> dict[str, Any]:
    return {
        "name": name,
        **start.imports,
        "model_type": "SeGSRModel",
        "scale": start.scale,
        "num_gpu": settings.num_gpu,
        "manual_seed": settings.seed,
    }


def _images(settings: TuneSettings, split: str, scale: int) -> dict[str, Any]:
    return paired_images(f"{settings.dataset}_{split}", DATA, split, scale)


def train_options(start: Start, settings: TuneSettings, *, iterations: int) -> dict[str, Any]:
    """Options of the training, for ``basicsr train``; paths are seen from the folder of the run.

    Args:
        start: The network.
        settings: What is asked for.
        iterations: How long.
    """
    images = _images(settings, "train", start.scale)
    if settings.degradation is not None:  # each patch gets one of its own
        images |= {"type": "BlindPairedDataset", "degradation": settings.degradation}
        del images["dataroot_lq"]
    training = {
        **images,
        "gt_size": settings.patch * start.scale,
        "use_hflip": True,
        "use_rot": True,
        "num_worker_per_gpu": 4 if settings.num_gpu else 0,
        "batch_size_per_gpu": settings.batch,
        "dataset_enlarge_ratio": 100,
    }
    return {
        **_head(settings.name, start, settings),
        "datasets": {"train": training, "val": _images(settings, VAL, start.scale)},
        "network_g": dict(start.network),
        "path": {**start.path, "resume_state": None},
        "train": {
            **({} if settings.amp is None else {"amp": settings.amp}),
            "grad_clip": 1.0,
            "ema_decay": _EMA_DECAY,
            "ema_warmup": True,
            "optim_g": {"type": "Adam", "lr": settings.learning_rate, "betas": [0.9, 0.99], "weight_decay": 0},
            "scheduler": {"type": "CosineAnnealingRestartLR", "periods": [iterations], "eta_min": _ETA_MIN},
            "total_iter": iterations,
            "warmup_iter": -1,
            "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        },
        "val": {
            "val_freq": max(1, iterations // _VALIDATIONS),
            "save_img": False,
            "pbar": False,
            "metrics": psnr_and_ssim(start.scale),
        },
        "logger": {
            "print_freq": max(1, iterations // _LOGGED),
            "save_checkpoint_freq": max(1, iterations // _VALIDATIONS),
            "use_tb_logger": False,
        },
    }


def validation_passes(iterations: int, images: int) -> int:
    """How many images a training passes through in its validations."""
    return (iterations // max(1, iterations // _VALIDATIONS) + 1) * images


def test_options(start: Start, settings: TuneSettings) -> dict[str, dict[str, Any]]:
    """Options of the tests on the validation images: ``bicubic``, the network ``before`` and ``after``.

    Args:
        start: The network.
        settings: What is asked for.
    """
    common = {
        "datasets": {"test": _images(settings, VAL, start.scale)},
        "val": {"save_img": True, "suffix": None, "metrics": psnr_and_ssim(start.scale)},
    }
    bicubic = {"network_g": {"type": "Bicubic", "upscale": start.scale}, "path": {"pretrain_network_g": None}}
    network = {"network_g": dict(start.network)}
    trained = {
        "pretrain_network_g": f"{RUNS}/{settings.name}/models/net_g_latest.pth",
        "param_key_g": "params_ema",
        "strict_load_g": True,
    }
    return {
        "bicubic": {**_head("bicubic", start, settings), **common, **bicubic},
        "before": {**_head(start.name, start, settings), **common, **network, "path": dict(start.path)},
        "after": {**_head(settings.name, start, settings), **common, **network, "path": trained},
    }
