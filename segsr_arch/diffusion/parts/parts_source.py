"""Where the parts of a diffusion model come from: a folder, a hub, or an option file itself."""

from collections.abc import Mapping
from typing import Any

from segsr_arch.diffusion.parts.inline_parts import build_inline, check_inline
from segsr_arch.diffusion.parts.model_kinds import ModelKind
from segsr_arch.diffusion.parts.parts import DiffusionParts
from segsr_arch.diffusion.parts.stored_parts import check_folder, find_folder, load_folder, schedule_of
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule
from segsr_arch.errors import ConfigError


def load_parts(given: str | Mapping[str, Any], kind: ModelKind, *, trains_unet: bool) -> DiffusionParts:
    """Make the parts.

    Args:
        given: Path of a folder, name on the Hugging Face hub, or an inline configuration, see
            :func:`~segsr_arch.diffusion.parts.inline_parts.build_inline`.
        kind: What kind of model it must be.
        trains_unet: Whether the UNet is trained.

    Raises:
        ConfigError: If an inline configuration is wrong.
        WeightsError: If weights cannot be had, or are of another kind of model.
        DependencyError: If diffusers or transformers are missing.
    """
    if isinstance(given, Mapping):
        return build_inline(given, kind, trains_unet=trains_unet)
    return load_folder(find_folder(_path(given, kind), kind), kind, trains_unet=trains_unet)


def check_parts(given: str | Mapping[str, Any], kind: ModelKind) -> NoiseSchedule:
    """Find what is wrong with them without reading weights; what can still be fetched is not.

    Args:
        given: As in :func:`load_parts`.
        kind: As there.

    Returns:
        Their noise schedule.

    Raises:
        ConfigError: As :func:`load_parts`.
        WeightsError: As :func:`load_parts`.
        DependencyError: As :func:`load_parts`.
    """
    if isinstance(given, Mapping):
        return NoiseSchedule.of(check_inline(given, kind))
    folder = find_folder(_path(given, kind), kind)
    check_folder(folder, kind)
    return NoiseSchedule.of(schedule_of(folder))


def _path(given: Any, kind: ModelKind) -> str:
    if not isinstance(given, str) or not given.strip():
        raise ConfigError(f"{kind.key}: must be the path of a folder, a name on the hub, or a mapping, got {given!r}.")
    return given
