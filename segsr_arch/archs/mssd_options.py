"""The arguments of MSSD: what each of them does, and what is checked before anything is built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from segsr_arch.diffusion.contrast import ContrastOptions
from segsr_arch.diffusion.correction import Correction, check_correction
from segsr_arch.diffusion.guidance import OnePass, check_one_pass
from segsr_arch.diffusion.latent_tiles import LatentTileOptions
from segsr_arch.diffusion.sampling import SamplerOptions
from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, option

TRAINABLE = ("controlnet", "unet")
_SAYS_WHAT_LATENTS_MEAN = ("scale", "trained", "base", "latent_std", "pixel_attention")


@dataclass(frozen=True, kw_only=True)
class MSSDOptions(OptionGroup):
    """Arguments of MSSD (``network_g:``); the defaults are the paper's where it says so.

    Raises:
        ConfigError: If one is wrong.
    """

    section = "network_g"

    scale: int = option(help="scale s", minimum=1)
    stable_diffusion: str | Mapping[str, Any] = option(
        help="folder of Stable Diffusion 1 as diffusers writes it, its name on the Hugging Face hub, or an inline "
        "configuration, whose random weights are for tests and toys",
        what="the path of a folder, a name on the hub, or a mapping",
    )
    trained: Sequence[str] = option(
        ("controlnet",), help="what is trained: controlnet, and unet where nobody has trained it"
    )
    base: str = option(
        "none",
        help="what is diffused: the image (none), or its difference to the LR image enlarged (bicubic)",
        choices=("none", "bicubic"),
    )
    latent_std: float = option(
        1.0, help="standard deviation of what is diffused, which is divided by it; 1 for Stable Diffusion", above=0
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
    sampler: Mapping[str, Any] | None = option(None, help="how images are sampled")
    latent_tile: Mapping[str, Any] | None = option(
        None, help="how latents are cut that are larger than those of the training"
    )
    style: str = option(
        "",
        help="words that stand before every caption when images are sampled (the paper's: clean, high-resolution, 8k)",
    )
    correction: Correction = option(
        "wavelet",
        help="where colours and low frequencies come from: the LR image by wavelets (wavelet), or so that the SR image "
        "reduced is the LR image (consistent), or as they were sampled (none)",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_correction(self.correction)
        check_one_pass(self.one_pass_guidance)
        if "controlnet" not in self.trained or any(name not in TRAINABLE for name in self.trained):
            raise ConfigError(
                f"network_g: trained: must be [controlnet] or [controlnet, unet], got {list(self.trained)}."
            )
        ContrastOptions.read(self.contrast)
        SamplerOptions.read(self.sampler)
        LatentTileOptions.read(self.latent_tile)

    @classmethod
    def among(cls, options: Mapping[str, Any]) -> "MSSDOptions":
        """Take the arguments out of ``network_g``, which has a ``type`` besides."""
        names = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in options.items() if name in names})

    @property
    def description(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to mean the same."""
        values = {name: getattr(self, name) for name in _SAYS_WHAT_LATENTS_MEAN}
        return {**values, "trained": sorted(self.trained), "latent_std": float(self.latent_std)}
