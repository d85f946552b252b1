"""Options of the semantic guide, as they stand under ``network_g: semantics:`` in a YAML."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, option

LORA_TARGETS: dict[str, tuple[str, ...]] = {
    "none": (),
    "qkv": ("q_proj", "k_proj", "v_proj"),
    "qkv+ffn": ("q_proj", "k_proj", "v_proj", "c_fc", "c_proj"),
}
# Which of the paper's modules guide a unit (table IV): extraction alone, with modulation, with localization, too.
GUIDE_MODULES = ("sfem", "sfem+lmm", "sfem+slm+lmm")
# What the localization embeddings are made of (table VI).
DESCRIPTORS = ("p_i", "p_i+p_g", "p_i+I_g", "p_g+I_g", "p_i+p_g+I_g")
MAP_UPSAMPLING = ("bilinear", "learned")
# Switches that only one module reads; modules may leave it out.
_SWITCHES = {
    "slm": ("descriptors", "attention_residual", "learned_map_scale", "map_upsampling"),
    "lmm": ("layer_norm",),
}
_IDENTIFIED = "a checkpoint names the vision-language model with a digest of its weights"


@dataclass(frozen=True, kw_only=True)
class SemanticsConfig(OptionGroup):
    """What the semantic guide is made of (Chen et al., SeG-SR, section III; defaults are the paper's).

    A checkpoint records every option but those that say why not.

    Raises:
        ConfigError: If a value is of the wrong type or out of range, or has no effect.
    """

    section = "semantics"

    vlm: str | Mapping[str, Any] = option(
        "ViT-B-16-quickgelu",
        help="open_clip name, path of a .json/.yml configuration, or an inline configuration",
        what="a name, a path or a mapping",
        unrecorded=_IDENTIFIED,
    )
    pretrained: str | None = option(
        "openai",
        help="open_clip tag, path of a weights file, or null for random weights",
        what="a tag, a path",
        unrecorded=_IDENTIFIED,
    )
    lora_rank: int = option(32, help="rank r of the low-rank matrices (eq. 2)", minimum=1)
    lora_alpha: float = option(32.0, help="LoRA scaling numerator; the update is scaled by alpha / rank", above=0)
    lora_dropout: float = option(
        0.05,
        help="dropout in front of each LoRA branch",
        minimum=0,
        below=1,
        unrecorded="a trained network computes the same with any",
    )
    lora_targets: str | None = option(
        "qkv+ffn", help="layers that get LoRA: qkv, qkv+ffn or none (table V)", choices=tuple(LORA_TARGETS)
    )
    num_heads: int = option(8, help="heads of the self-attention over the descriptors (eq. 6)", minimum=1)
    metanet_reduction: int = option(
        16, help="the MetaNet's bottleneck is the joint width divided by this (eq. 5)", minimum=1
    )
    modulation_channels: int = option(
        128, help="channels of the shared convolution of the modulation (eq. 9)", minimum=1
    )
    modules: str = option(
        "sfem+slm+lmm", help=f"what guides a unit (table IV): {', '.join(GUIDE_MODULES)}", choices=GUIDE_MODULES
    )
    descriptors: str = option(
        "p_i+p_g+I_g", help=f"what embeddings are made of (table VI): {', '.join(DESCRIPTORS)}", choices=DESCRIPTORS
    )
    attention_residual: bool = option(
        False, help="add the descriptors to what their self-attention gives (not in eq. 6)"
    )
    learned_map_scale: bool = option(False, help="multiply each unit's map by a learned number that starts at 1")
    map_upsampling: str = option(
        "bilinear", help="how maps reach the size of the LR image (eq. 8): bilinear or learned", choices=MAP_UPSAMPLING
    )
    layer_norm: bool = option(True, help="normalise a unit's features before they are modulated (eq. 9)")
    random_seed: int = option(
        0, help="seed of the frozen weights when pretrained is null", minimum=0, unrecorded=_IDENTIFIED
    )
    cache_dir: str | None = option(
        None,
        help="folder of downloaded weights; null for open_clip's own",
        what="a folder",
        unrecorded="weights are the same wherever they lie",
    )

    def __post_init__(self) -> None:
        if self.lora_targets is None:
            object.__setattr__(self, "lora_targets", "none")
        super().__post_init__()
        used = self.modules.split("+")
        defaults = {item.name: item.default for item in fields(self)}
        for module, name in ((module, name) for module, names in _SWITCHES.items() for name in names):
            if module not in used and getattr(self, name) != defaults[name]:
                raise ConfigError(
                    f"semantics: {name}: has no effect with modules: {self.modules}, which leaves out {module}; "
                    f"remove it."
                )

    @classmethod
    def from_options(cls, options: "SemanticsConfig | Mapping[str, Any] | None") -> "SemanticsConfig":
        """Build from the mapping of a YAML, as :meth:`read`; what has been built is returned as it is."""
        return options if isinstance(options, SemanticsConfig) else cls.read(options)
