"""The arguments of MSSD: what each of them does, and what is checked before anything is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segsr_arch.diffusion.latent_options import LatentDiffusionOptions
from segsr_arch.diffusion.learning.contrast import ContrastOptions
from segsr_arch.diffusion.steering.guidance import OnePass, check_one_pass
from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import option


@dataclass(frozen=True, kw_only=True)
class MSSDOptions(LatentDiffusionOptions):
    """Arguments of MSSD (``network_g:``); the defaults are the paper's where it says so.

    Raises:
        ConfigError: If one is wrong.
    """

    recorded = ("scale", "base", "pixel_attention")

    stable_diffusion: str | Mapping[str, Any] = option(
        help="folder of Stable Diffusion 1 as diffusers writes it, its name on the Hugging Face hub, or an inline "
        "configuration, whose random weights are for tests and toys",
        what="the path of a folder, a name on the hub, or a mapping",
    )
    base: str = option(
        "none",
        help="what is diffused: the image (none), or its difference to the LR image enlarged (bicubic)",
        choices=("none", "bicubic"),
    )
    pixel_attention: bool = option(
        False, help="whether the decoder of the UNet attends to the features of the ControlNet, pixel by pixel"
    )
    one_pass_guidance: OnePass | None = option(
        None,
        help="how a student of guidance is told the weight, so that one evaluation a step does: by a second output "
        "(head) or beside the time step (embedding); null runs twice",
    )
    contrast: Mapping[str, Any] | None = option(None, help="options of the contrastive loss; null leaves it out")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_pass(self.one_pass_guidance)
        if self.one_pass_guidance is not None and self.negative.strip():
            raise ConfigError(
                "network_g: negative: a student of guidance (one_pass_guidance) has learned to lead away from no words "
                "alone; remove negative, or sample with its teacher."
            )
        ContrastOptions.read(self.contrast)

    @property
    def model(self) -> str | Mapping[str, Any]:
        """Stable Diffusion."""
        return self.stable_diffusion

    @property
    def is_residual(self) -> bool:
        """Whether what is diffused is the difference to the LR image enlarged."""
        return self.base == "bicubic"
