"""Two sizes in which a table is run: as in the paper, and small enough for two cores."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segsr_arch.errors import ConfigError

_RGB = {"num_in_ch": 3, "num_out_ch": 3}
_SWIN = {"img_range": 1.0, "mlp_ratio": 2, "upsampler": "pixelshuffle", "resi_connection": "1conv"}
_SWIN_FULL = {**_SWIN, "img_size": 64, "embed_dim": 180, "depths": [6] * 6, "num_heads": [6] * 6}
_SWIN_SMALL = {
    **_SWIN,
    "img_size": 32,
    "window_size": 8,
    "embed_dim": 36,
    "depths": [2] * 4,
    "num_heads": [3] * 4,
    "drop_path_rate": 0.0,
}
_EDSR_COLOURS = {"img_range": 255.0, "rgb_mean": [0.4488, 0.4371, 0.4040]}


def _rcan(*, features: int, blocks: int, squeeze: int) -> dict[str, Any]:
    sizes = {"num_feat": features, "num_group": 10, "num_block": blocks, "squeeze_factor": squeeze}
    return {"type": "RCAN", **_RGB, **sizes, **_EDSR_COLOURS}


def _hat(*, features: int, depth: int, heads: int, window: int, squeeze: int, **more: Any) -> dict[str, Any]:
    sizes = {"embed_dim": features, "depths": [depth] * 6, "num_heads": [heads] * 6, "window_size": window}
    channels = {"compress_ratio": 3, "squeeze_factor": squeeze, "conv_scale": 0.01}
    return {"type": "HAT_segsr", "img_range": 1.0, **sizes, **channels, "overlap_ratio": 0.5, "mlp_ratio": 2, **more}


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """For how long a data set is trained on.

    Attributes:
        iterations: Number of iterations.
        milestones: Where the learning rate is halved, as parts of them.
    """

    iterations: int
    milestones: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What all rows of a table have in common.

    Attributes:
        name: ``full`` or ``small``.
        networks: Options of each base with its ``type``; the scale is added under ``scale_names``.
        semantics: Options of the guide.
        lr_patch: Side of the LR training patches, in pixels.
        batch: Batch size.
        schedules: By data set.
        learning_rate: Adam's.
        betas: Adam's.
        ema_decay: Of the moving average, which is what is measured: the weights themselves may be off in brightness
            after any one step (docs/guide.md), by more than what two rows differ in.
        grad_clip: Largest norm of the gradient; ``None`` for any.
        val_freq: Iterations between validations.
        save_freq: Iterations between saved states.
        workers: Loader processes.
        scale_names: What a base calls its scale, where that is not ``upscale``.
    """

    name: str
    networks: Mapping[str, Mapping[str, Any]]
    semantics: Mapping[str, Any]
    lr_patch: int
    batch: int
    schedules: Mapping[str, Schedule]
    learning_rate: float
    betas: tuple[float, float]
    ema_decay: float
    grad_clip: float | None
    val_freq: int
    save_freq: int
    workers: int
    scale_names: Mapping[str, str] = field(default_factory=lambda: {"RRDBNet": "scale"})

    def network(self, base: str, scale: int) -> dict[str, Any]:
        """Options of a base at a scale.

        Raises:
            ConfigError: If the preset has no such base.
        """
        if base not in self.networks:
            raise ConfigError(f"--preset {self.name} has no {base}; it has {', '.join(self.networks)}.")
        options = dict(self.networks[base])
        return {"type": options.pop("type"), self.scale_names.get(base, "upscale"): scale, **options}


FULL = Preset(
    name="full",
    networks={
        "SRResNet": {"type": "MSRResNet", **_RGB, "num_feat": 64, "num_block": 16},
        "EDSR": {"type": "EDSR", **_RGB, "num_feat": 256, "num_block": 32, "res_scale": 0.1, **_EDSR_COLOURS},
        "RRDBNet": {"type": "RRDBNet", **_RGB, "num_feat": 64, "num_block": 23, "num_grow_ch": 32},
        "RCAN": _rcan(features=64, blocks=20, squeeze=16),
        "SwinIR": {"type": "SwinIR", **_SWIN_FULL, "window_size": 8},
        "SRFormer": {"type": "spandrel/SRFormer", **_SWIN_FULL, "window_size": 24},
        "HAT": _hat(features=180, depth=6, heads=6, window=16, squeeze=30),
        "HAUNet": {"type": "HAUNet", "width": 96, "encoders": [5, 5], "middle": 10, "decoders": [5, 5]},
        "SPT": {"type": "SPT", "embed_dim": 96, "depths": [3] * 6, "num_heads": 6, "mlp_ratio": 2},
        "TTST": {"type": "TTST", "embed_dim": 180, "depths": [6] * 6, "num_heads": [6] * 6, "window_size": 8},
        "MFG-HMoE": {"type": "MFGHMOE", "embed_dim": 180, "depths": [6] * 6, "num_heads": [6] * 6, "window_size": 16},
    },
    semantics={
        "vlm": "ViT-B-16-quickgelu",
        "pretrained": "openai",
        "lora_rank": 32,
        "lora_alpha": 32,
        "lora_targets": "qkv+ffn",
    },
    lr_patch=64,
    batch=4,
    schedules={
        "UCM": Schedule(iterations=80_000, milestones=(0.625,)),
        "AID": Schedule(iterations=120_000, milestones=(0.5, 5 / 6)),
    },
    learning_rate=1e-4,
    betas=(0.9, 0.999),
    ema_decay=0.999,
    grad_clip=None,
    val_freq=5000,
    save_freq=5000,
    workers=4,
)

_SMALL_SCHEDULE = Schedule(iterations=1500, milestones=(0.6, 0.85))
SMALL = Preset(
    name="small",
    networks={
        "SRResNet": {"type": "MSRResNet", **_RGB, "num_feat": 32, "num_block": 8},
        "EDSR": {"type": "EDSR", **_RGB, "num_feat": 32, "num_block": 8, **_EDSR_COLOURS},
        "RRDBNet": {"type": "RRDBNet", **_RGB, "num_feat": 24, "num_block": 4, "num_grow_ch": 12},
        "RCAN": _rcan(features=32, blocks=1, squeeze=8),
        "SwinIR": {"type": "SwinIR", **_SWIN_SMALL},
        "SRFormer": {"type": "spandrel/SRFormer", **_SWIN_SMALL},
        "HAT": _hat(features=36, depth=1, heads=3, window=8, squeeze=9, drop_path_rate=0.0),
        "HAUNet": {"type": "HAUNet", "width": 48, "encoders": [1, 2], "middle": 4, "decoders": [2, 1]},
        "SPT": {"type": "SPT", "embed_dim": 36, "depths": [1] * 6, "num_heads": 3, "inner_dim": 24},
        "TTST": {"type": "TTST", "embed_dim": 48, "depths": [2] * 2, "num_heads": [4] * 2, "drop_path_rate": 0.0},
        "MFG-HMoE": {
            "type": "MFGHMOE",
            "embed_dim": 36,
            "depths": [2] * 2,
            "num_heads": [3] * 2,
            "window_size": 8,
            "squeeze_factor": 6,
            "num_experts": 2,
            "drop_path_rate": 0.0,
        },
    },
    semantics={
        "vlm": {
            "embed_dim": 128,
            "vision_cfg": {"image_size": 128, "layers": 4, "width": 192, "head_width": 32, "patch_size": 16},
            "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 2},
            "quick_gelu": True,
        },
        "pretrained": None,
        "lora_rank": 8,
        "lora_alpha": 8,
        "lora_targets": "qkv+ffn",
        "modulation_channels": 32,
    },
    lr_patch=32,
    batch=2,
    schedules={"UCM": _SMALL_SCHEDULE, "AID": _SMALL_SCHEDULE},
    learning_rate=5e-4,
    betas=(0.9, 0.99),
    ema_decay=0.99,
    grad_clip=1.0,
    val_freq=750,
    save_freq=500,
    workers=0,
)

PRESETS = {preset.name: preset for preset in (FULL, SMALL)}
