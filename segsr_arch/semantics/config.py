"""Options of the semantic guide, as they stand under ``network_g: semantics:`` in a YAML."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, option
from segsr_arch.semantics.controls import MAPS
from segsr_arch.semantics.tokens import TOKENS

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
    "slm": (
        "descriptors",
        "attention_residual",
        "gate_gain",
        "descriptors_past_gate",
        "earlier_tokens",
        "tokens",
        "removed_components",
        "standardised_maps",
        "map_floor",
        "learned_map_scale",
        "map_scale_start",
        "map_upsampling",
        "maps",
    ),
    "lmm": ("layer_norm", "modulation_residual"),
}
# Options that only some values of another one make use of.
_NEEDS: Mapping[str, tuple[str, tuple[Any, ...]]] = {
    "gate_gain": ("descriptors", tuple(name for name in DESCRIPTORS if name.startswith("p_i+"))),
    "descriptors_past_gate": ("descriptors", tuple(name for name in DESCRIPTORS if name.startswith("p_i"))),
    "removed_components": ("tokens", ("reduced",)),
    "map_floor": ("standardised_maps", (True,)),
    "map_scale_start": ("learned_map_scale", (True,)),
}
# What a preset sets; a value that stands beside it in the option file counts.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "improved": {
        "modulation_residual": True,
        "attention_residual": True,
        "gate_gain": 8.0,
        "descriptors_past_gate": True,
        "standardised_maps": True,
    },
}
_START = "it is where a training starts, and a trained network has gone from there"
_IDENTIFIED = "a checkpoint names the vision-language model with a digest of its weights"


@dataclass(frozen=True, kw_only=True)
class SemanticsConfig(OptionGroup):
    """What the semantic guide is made of (Chen et al., SeG-SR, section III; defaults are the paper's).

    A checkpoint records every option but those that say why not.

    ``preset: improved`` is provisional: it holds what the untrained guide's own figures ask for (``docs/guide.md``): a
    modulation that starts as identity, units that start apart, maps with contrast. Training has confirmed the first
    alone, and it may change. A mapping is filled up from its preset by :meth:`read`; the constructor takes values as
    they are.

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
    preset: str = option(
        "paper",
        help="where options that are not given come from: paper or improved (provisional)",
        choices=tuple(PRESETS),
        unrecorded="each option that it sets is recorded itself",
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
    gate_gain: float = option(
        1.0,
        help="factor on the weights of the localization's gate at the start (eq. 7), so that it tells units apart",
        above=0,
        unrecorded=_START,
    )
    descriptors_past_gate: bool = option(
        False, help="add each unit's descriptor to its embedding; descriptors start orthogonal (not in eq. 7)"
    )
    earlier_tokens: int = option(
        0,
        help="add the tokens of so many blocks before the last, which see less of other patches; 0: none (not eq. 4)",
        minimum=0,
    )
    tokens: str = option(
        "raw",
        help="what patch tokens are without, by running statistics: raw, centred (mean), reduced (mean and first "
        "principal directions) or whitened (not in eq. 8)",
        choices=TOKENS,
    )
    removed_components: int = option(3, help="principal directions that tokens: reduced removes", minimum=1)
    standardised_maps: bool = option(
        False, help="bring each map to mean 0 and deviation 1 over the image or view (not in eq. 8)"
    )
    map_floor: float = option(0.01, help="least deviation that standardised_maps divides by", above=0)
    learned_map_scale: bool = option(False, help="multiply each unit's map by a learned number")
    map_scale_start: float = option(
        1.0, help="where learned_map_scale starts; 25 brings a cosine map to a deviation of about 1", unrecorded=_START
    )
    map_upsampling: str = option(
        "bilinear", help="how maps reach the size of the LR image (eq. 8): bilinear or learned", choices=MAP_UPSAMPLING
    )
    maps: str = option(
        "own",
        help="for study: zero, shuffled (those of another image) or oracle (the vision tower sees the HR image, where "
        "there is one); own for a guide that guides",
        choices=MAPS,
    )
    layer_norm: bool = option(True, help="normalise a unit's features before they are modulated (eq. 9)")
    modulation_residual: bool = option(
        False,
        help="add the modulated features to a unit's own: it starts as identity (not in eq. 9)",
    )
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
        self._check_preset()
        used = self.modules.split("+")
        defaults = {item.name: item.default for item in fields(self)}
        changed = {name for name, default in defaults.items() if getattr(self, name) != default}
        for module, name in ((module, name) for module, names in _SWITCHES.items() for name in names):
            if module not in used and name in changed:
                raise ConfigError(
                    f"semantics: {name}: has no effect with modules: {self.modules}, which leaves out {module}; "
                    f"remove it."
                )
        for name, (other, values) in _NEEDS.items():
            if name in changed and getattr(self, other) not in values:
                needed = " or ".join(str(value).lower() if value is True else str(value) for value in values)
                raise ConfigError(f"semantics: {name}: has no effect without {other}: {needed}; remove it.")

    def _check_preset(self) -> None:
        if self.preset == "paper":
            return
        if self.modules != GUIDE_MODULES[-1]:
            raise ConfigError(
                f"semantics: preset: {self.preset}: is for the whole guide, not for modules: {self.modules}; leave one "
                f"of them out."
            )
        defaults = {item.name: item.default for item in fields(self)}
        if all(getattr(self, name) == defaults[name] for name in PRESETS[self.preset]):
            raise ConfigError(
                f"semantics: preset: {self.preset}: every option that it sets has the paper's value; leave the preset "
                f"out, or read the options from a mapping (SemanticsConfig.read), which fills them up from it."
            )

    @classmethod
    def read(cls, options: Mapping[str, Any] | None) -> "SemanticsConfig":
        """Make a configuration of the mapping of a YAML; what is not given comes from its ``preset``.

        Args:
            options: Names and values; ``None`` for the paper's guide.

        Raises:
            ConfigError: If a name is not known, or a value is wrong.
        """
        given = dict(options or {})
        preset = given.get("preset", "paper")
        return super().read({**(PRESETS.get(preset, {}) if isinstance(preset, str) else {}), **given})

    @classmethod
    def from_options(cls, options: "SemanticsConfig | Mapping[str, Any] | None") -> "SemanticsConfig":
        """Build from the mapping of a YAML, as :meth:`read`; what has been built is returned as it is."""
        return options if isinstance(options, SemanticsConfig) else cls.read(options)
