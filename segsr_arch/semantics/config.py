"""Options of the semantic guide, as they stand under ``network_g: semantics:`` in a YAML."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from segsr_arch.errors import ConfigError

LORA_TARGETS = {
    "none": (),
    "qkv": ("q_proj", "k_proj", "v_proj"),
    "qkv+ffn": ("q_proj", "k_proj", "v_proj", "c_fc", "c_proj"),
}
# Which of the paper's modules guide a unit (table IV): extraction alone, with modulation, with localization, too.
GUIDE_MODULES = ("sfem", "sfem+lmm", "sfem+slm+lmm")
# What the localization embeddings are made of (table VI).
DESCRIPTORS = ("p_i", "p_i+p_g", "p_i+I_g", "p_g+I_g", "p_i+p_g+I_g")
MAP_UPSAMPLING = ("bilinear", "learned")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _option(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


_CHOICES = {
    "lora_targets": tuple(LORA_TARGETS),
    "modules": GUIDE_MODULES,
    "descriptors": DESCRIPTORS,
    "map_upsampling": MAP_UPSAMPLING,
}
# Switches that only one module reads; modules may leave it out.
_SWITCHES = {
    "slm": ("descriptors", "attention_residual", "learned_map_scale", "map_upsampling"),
    "lmm": ("layer_norm",),
}


@dataclass(frozen=True, kw_only=True)
class SemanticsConfig:
    """What the semantic guide is made of (Chen et al., SeG-SR, section III; defaults are the paper's).

    Raises:
        ConfigError: If a value is of the wrong type or out of range.
    """

    vlm: str | Mapping[str, Any] = _option(
        "ViT-B-16-quickgelu", "open_clip name, path of a .json/.yml configuration, or an inline configuration"
    )
    pretrained: str | None = _option("openai", "open_clip tag, path of a weights file, or null for random weights")
    lora_rank: int = _option(32, "rank r of the low-rank matrices (eq. 2)")
    lora_alpha: float = _option(32.0, "LoRA scaling numerator; the update is scaled by alpha / rank")
    lora_dropout: float = _option(0.05, "dropout in front of each LoRA branch")
    lora_targets: str | None = _option("qkv+ffn", "layers that get LoRA: qkv, qkv+ffn or none (table V)")
    num_heads: int = _option(8, "heads of the self-attention over the descriptors (eq. 6)")
    metanet_reduction: int = _option(16, "the MetaNet's bottleneck is the joint width divided by this (eq. 5)")
    modulation_channels: int = _option(128, "channels of the shared convolution of the modulation (eq. 9)")
    modules: str = _option("sfem+slm+lmm", f"what guides a unit (table IV): {', '.join(GUIDE_MODULES)}")
    descriptors: str = _option("p_i+p_g+I_g", f"what embeddings are made of (table VI): {', '.join(DESCRIPTORS)}")
    attention_residual: bool = _option(False, "add the descriptors to what their self-attention gives (not in eq. 6)")
    learned_map_scale: bool = _option(False, "multiply each unit's map by a learned number that starts at 1")
    map_upsampling: str = _option("bilinear", "how maps reach the size of the LR image (eq. 8): bilinear or learned")
    layer_norm: bool = _option(True, "normalise a unit's features before they are modulated (eq. 9)")
    random_seed: int = _option(0, "seed of the frozen weights when pretrained is null")
    cache_dir: str | None = _option(None, "folder of downloaded weights; null for open_clip's own")

    def __post_init__(self) -> None:
        if self.lora_targets is None:
            object.__setattr__(self, "lora_targets", "none")
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if not isinstance(value, str) or value not in known:
                raise ConfigError(f"semantics: {name}: {value!r} is not known; use one of {', '.join(known)}.")
        for name in ("lora_rank", "num_heads", "metanet_reduction", "modulation_channels"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"semantics: {name}: must be a whole number of at least 1, got {value!r}.")
        for name in ("attention_residual", "learned_map_scale", "layer_norm"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"semantics: {name}: must be true or false, got {getattr(self, name)!r}.")
        seed = self.random_seed
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ConfigError(f"semantics: random_seed: must be a whole number of at least 0, got {seed!r}.")
        if not _is_number(self.lora_alpha) or not 0 < self.lora_alpha < math.inf:
            raise ConfigError(f"semantics: lora_alpha: must be a number above 0, got {self.lora_alpha!r}.")
        if not _is_number(self.lora_dropout) or not 0 <= self.lora_dropout < 1:
            raise ConfigError(f"semantics: lora_dropout: must be in [0, 1), got {self.lora_dropout!r}.")
        if self.pretrained is not None and not isinstance(self.pretrained, str):
            raise ConfigError(f"semantics: pretrained: must be a tag, a path or null, got {self.pretrained!r}.")
        if self.cache_dir is not None and not isinstance(self.cache_dir, str):
            raise ConfigError(f"semantics: cache_dir: must be a folder or null, got {self.cache_dir!r}.")

        self._refuse_what_has_no_effect()

    def _refuse_what_has_no_effect(self) -> None:
        """Raise if a switch of a module that ``modules`` leaves out is set."""
        defaults = {item.name: item.default for item in fields(self)}
        used = self.modules.split("+")
        for module, names in _SWITCHES.items():
            for name in names:
                if module not in used and getattr(self, name) != defaults[name]:
                    raise ConfigError(
                        f"semantics: {name}: has no effect with modules: {self.modules}, which leaves out {module}; "
                        f"remove it."
                    )

    @classmethod
    def from_options(cls, options: "SemanticsConfig | Mapping[str, Any] | None") -> "SemanticsConfig":
        """Build from the mapping of a YAML.

        Args:
            options: Mapping of option names to values; ``None`` takes every default.

        Returns:
            The configuration.

        Raises:
            ConfigError: If a key is not known; the nearest known one is named.
        """
        if isinstance(options, cls):
            return options
        options = dict(options or {})
        known = [item.name for item in fields(cls)]
        for key in options:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; known keys: {', '.join(known)}."
                raise ConfigError(f"semantics: {key} is not an option{hint}")
        return cls(**options)
