"""Building the vision tower of a vision-language model, and saying exactly which one it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
import yaml
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer

from segsr_arch.errors import ConfigError
from segsr_arch.freezing import FrozenIdentity, state_digest
from segsr_arch.known_names import close_matches
from segsr_arch.running.logs import errors_only
from segsr_arch.semantics.config import SemanticsConfig
from segsr_arch.semantics.localization import SemanticLocalization
from segsr_arch.semantics.tokens import TokenStatistics
from segsr_arch.semantics.vision_weights import draw_random_weights, find_weights, load_visual_weights

# Only the vision tower is used, so the text tower is built as small as open_clip allows and dropped at once.
_SMALLEST_TEXT_TOWER = {"context_length": 4, "vocab_size": 4, "width": 8, "heads": 1, "layers": 1}
_SIZES = ("patch_size", "width", "head_width", "image_size")
_QUICKLY_BUILT = 100_000_000  # parameters


@dataclass(frozen=True, kw_only=True)
class VisionTower:
    """A vision tower with what its input needs.

    Attributes:
        visual: open_clip ``VisionTransformer``, float32, in evaluation mode.
        mean: Per-channel mean (R, G, B) that the model expects to be subtracted, for values in [0, 1].
        std: Per-channel standard deviation to divide by.
        identity: Name, source and digest.
    """

    visual: VisionTransformer
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    identity: FrozenIdentity


def _read_configuration(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not a JSON or YAML configuration of a vision-language model: {error}") from error
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path}: must hold a mapping with embed_dim and vision_cfg.")
    return content


def resolve_configuration(
    vlm: str | Mapping[str, Any], *, option: str = "semantics: vlm"
) -> tuple[str, str | None, Mapping[str, Any]]:
    """Find the configuration that ``semantics: vlm`` stands for.

    Args:
        vlm: open_clip name, path of a .json or .yml configuration, or an inline configuration.
        option: What it was given as, for messages.

    Returns:
        The name for people, the open_clip name if it is one, and the configuration.

    Raises:
        ConfigError: If there is none, or it cannot be read.
    """
    if isinstance(vlm, Mapping):
        return "inline", None, vlm
    if not isinstance(vlm, str):
        raise ConfigError(f"{option}: must be a name, a path or a mapping, got {vlm!r}.")
    built_in = open_clip.get_model_config(vlm) if ":" not in vlm else None
    if built_in is not None:
        return vlm, vlm, built_in
    path = Path(vlm)
    if path.suffix.lower() in (".json", ".yml", ".yaml"):
        if not path.is_file():
            raise ConfigError(f"{option}: the configuration {vlm} does not exist (seen from {Path.cwd()}).")
        return path.stem, None, _read_configuration(path)
    near = close_matches(vlm, open_clip.list_models())
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    raise ConfigError(f"{option}: {vlm!r} is no open_clip model, nor the path of a .json or .yml configuration{hint}")


def _build_visual(name: str, architecture: Mapping[str, Any]) -> VisionTransformer:
    unknown = set(architecture) - {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "custom_text"}
    if unknown or not {"embed_dim", "vision_cfg"} <= set(architecture):
        raise ConfigError(
            f"semantics: vlm: {name}: a configuration holds embed_dim and vision_cfg, and may hold quick_gelu and "
            f"text_cfg; found {', '.join(sorted(map(str, architecture))) or 'nothing'}."
        )
    _check_sizes(name, architecture)
    try:
        with torch.random.fork_rng(devices=[]):  # these draws are overwritten; the caller's stream must not move
            visual = open_clip.CLIP(
                embed_dim=architecture["embed_dim"],
                vision_cfg=dict(architecture["vision_cfg"]),
                text_cfg=dict(_SMALLEST_TEXT_TOWER),
                quick_gelu=bool(architecture.get("quick_gelu", False)),
            ).visual
    except (TypeError, ValueError, AssertionError, ZeroDivisionError) as error:
        raise ConfigError(f"semantics: vlm: {name}: open_clip cannot build this vision_cfg: {error}") from error
    plain = (
        isinstance(visual, VisionTransformer)
        and visual.attn_pool is None
        and visual.pool_type in ("tok", "avg")
        and all(type(block) is ResidualAttentionBlock for block in visual.transformer.resblocks)
    )
    if not plain:
        raise ConfigError(
            f"semantics: vlm: {name}: its vision tower is no plain ViT with a class token and patch tokens "
            f"({type(visual).__name__}). Use a ViT of open_clip, for instance ViT-B-16-quickgelu, ViT-B-32 or ViT-L-14."
        )
    return visual


def _check_sizes(name: str, architecture: Mapping[str, Any]) -> None:
    """Refuse sizes with which open_clip builds a tower that has no patch or no features, and fails when it runs."""
    vision = architecture["vision_cfg"]
    if not isinstance(vision, Mapping):
        raise ConfigError(f"semantics: vlm: {name}: vision_cfg: expected a mapping of keys, got {vision!r:.80}.")
    sizes = {"embed_dim": architecture["embed_dim"]} | {f"vision_cfg: {key}": vision.get(key) for key in _SIZES}
    for key, value in sizes.items():
        least = vision.get("patch_size") or 1 if key.endswith("image_size") else 1
        sides = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
        if any(isinstance(side, bool) or not isinstance(side, (int, float)) or side < least for side in sides):
            raise ConfigError(f"semantics: vlm: {name}: {key}: must be a whole number from {least}, got {value!r:.80}.")


def model_config(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take the architecture (``embed_dim``, ``vision_cfg``, ...) out of what :func:`resolve_configuration` found."""
    own = {key: value for key, value in content.items() if key != "preprocess_cfg"}
    architecture: Mapping[str, Any] = content.get("model_cfg", own)
    return architecture


def _outline(name: str, content: Mapping[str, Any]) -> VisionTransformer:
    """Build the tower without memory for its weights or, if it reads values while it is built, with."""
    architecture = model_config(content)
    if not isinstance(architecture, Mapping):
        raise ConfigError(f"semantics: vlm: {name}: model_cfg must be a mapping with embed_dim and vision_cfg.")
    try:
        with torch.device("meta"):
            return _build_visual(name, architecture)
    except RuntimeError:
        pass
    try:
        return _build_visual(name, architecture)
    except RuntimeError as error:
        raise ConfigError(f"semantics: vlm: {name}: open_clip cannot build this vision_cfg: {error}") from error


def _check_preprocessing(name: str, content: Mapping[str, Any]) -> None:
    preprocessing = content.get("preprocess_cfg", {})
    right = isinstance(preprocessing, Mapping)
    for key in ("mean", "std"):
        value = preprocessing.get(key) if right else None
        right &= value is None or (
            isinstance(value, (list, tuple)) and len(value) == 3 and all(type(v) in (int, float) for v in value)
        )
    if not right:
        raise ConfigError(f"semantics: vlm: {name}: preprocess_cfg: mean and std must be lists of three numbers.")


def check_available(config: SemanticsConfig) -> None:
    """Make sure that the guide can be built, and that its weights are on this machine, fetching them if need be.

    Weights that are given as a file are read and compared with the tower; those of a tag are open_clip's business.

    Raises:
        ConfigError: If the model is not known or is no plain ViT, or another option does not fit it.
        WeightsError: If the weights cannot be had, read, or do not fit.
    """
    name, tag_owner, content = resolve_configuration(config.vlm)
    _check_preprocessing(name, content)
    visual = _outline(name, content)
    _check_depth(name, visual, config)
    if "slm" in config.modules.split("+"):
        with torch.device("meta"):
            SemanticLocalization(
                num_units=1,
                embed_dim=visual.proj.shape[1],
                num_heads=config.num_heads,
                reduction=config.metanet_reduction,
            )
            TokenStatistics(embed_dim=visual.proj.shape[1], kind=config.tokens, removed=config.removed_components)
    if config.pretrained is None:
        return
    path = find_weights(tag_owner, config.pretrained, config.cache_dir)
    if Path(config.pretrained).is_file():
        load_visual_weights(visual.to_empty(device="cpu"), path, name)


def _check_depth(name: str, visual: VisionTransformer, config: SemanticsConfig) -> None:
    blocks = len(visual.transformer.resblocks)
    if config.earlier_tokens >= blocks:
        raise ConfigError(
            f"semantics: earlier_tokens: {config.earlier_tokens}: {name} has {blocks} blocks, so it must be less."
        )


def known_identity(config: SemanticsConfig) -> FrozenIdentity | None:
    """Give the identity of the tower that :func:`build_vision_tower` would build, if it is of moderate size.

    Args:
        config: Options that :func:`check_available` has passed.

    Returns:
        The identity; ``None`` for a tower of more than 100 million parameters, which takes long to build twice.
    """
    name, _, content = resolve_configuration(config.vlm)
    if sum(p.numel() for p in _outline(name, content).parameters()) > _QUICKLY_BUILT:
        return None
    with errors_only(draw_random_weights.__module__):  # the run itself warns of random weights
        return build_vision_tower(config).identity


def build_vision_tower(config: SemanticsConfig) -> VisionTower:
    """Build the tower that the options name, load or draw its weights, and take their digest.

    Args:
        config: ``vlm``, ``pretrained``, ``random_seed`` and ``cache_dir`` are read.

    Returns:
        The tower with its normalisation and identity.

    Raises:
        ConfigError: If the model is not known or is no plain ViT.
        WeightsError: If the weights cannot be had, read, or do not fit.
    """
    name, tag_owner, content = resolve_configuration(config.vlm)
    preprocessing = content.get("preprocess_cfg", {})
    visual = _build_visual(name, model_config(content))
    _check_depth(name, visual, config)
    if config.pretrained is None:
        draw_random_weights(visual, config.random_seed)
        source = f"random({config.random_seed})"
    else:
        path = find_weights(tag_owner, config.pretrained, config.cache_dir)
        load_visual_weights(visual, path, name)
        source = config.pretrained if not Path(config.pretrained).is_file() else path.name
        if tag_owner:
            preprocessing = open_clip.get_pretrained_cfg(tag_owner, config.pretrained) or preprocessing
    return VisionTower(
        visual=visual.eval(),
        mean=tuple(preprocessing.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        std=tuple(preprocessing.get("std") or open_clip.OPENAI_DATASET_STD),
        identity=FrozenIdentity(name=name, source=source, digest=state_digest(visual.state_dict())),
    )
