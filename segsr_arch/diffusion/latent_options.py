"""The arguments that all networks have which diffuse latents beside a ControlNet."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from segsr_arch.captions.budget import LIMIT, clip_tokens
from segsr_arch.diffusion.correction import Correction, check_correction
from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions
from segsr_arch.diffusion.samplers.sampling import SamplerOptions
from segsr_arch.diffusion.steering.acceleration import AccelerationOptions
from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, option

TRAINABLE = ("controlnet", "unet")
NESTED = {"sampler": SamplerOptions, "acceleration": AccelerationOptions, "latent_tile": LatentTileOptions}

_Options = TypeVar("_Options", bound="LatentDiffusionOptions")


@dataclass(frozen=True, kw_only=True)
class LatentDiffusionOptions(OptionGroup, ABC):
    """Arguments of a network (``network_g:``) that is made from a latent diffusion model.

    Attributes:
        recorded: Names of the arguments that say what its latents mean.

    Raises:
        ConfigError: If one is wrong.
    """

    section = "network_g"
    recorded: ClassVar[tuple[str, ...]] = ("scale",)

    scale: int = option(help="scale s", minimum=1)
    trained: Sequence[str] = option(
        ("controlnet",), help="what is trained: controlnet, and unet where nobody has trained it"
    )
    latent_std: float = option(
        1.0, help="standard deviation of what is diffused, which is divided by it; 1 for Stable Diffusion", above=0
    )
    sampler: Mapping[str, Any] | None = option(None, help="how images are sampled")
    acceleration: Mapping[str, Any] | None = option(
        None, help="which steps of a sample take the estimate of an earlier one; null computes all"
    )
    latent_tile: Mapping[str, Any] | None = option(
        None, help="how latents are cut that are larger than those of the training"
    )
    precision: str = option(
        "fp32",
        help="of UNet, ControlNet and text encoders, and of the weights of those of them that are frozen; autoencoder "
        "and solver are always in fp32",
        choices=("fp32", "bf16"),
    )
    attention_slicing: bool = option(
        False, help="whether attention is computed head by head: the same image with less memory in more time"
    )
    cpu_offload: bool = option(
        False,
        help="whether autoencoder, text encoders, UNet and first stage wait on the CPU while another of them runs, "
        "where images are sampled on an accelerator",
    )
    style: str = option(
        "",
        help="words that stand before every caption when images are sampled (the paper's: clean, high-resolution, 8k)",
    )
    negative: str = option(
        "", help="words for what is not to be seen, from which guidance leads away; empty: from no words at all"
    )
    strength: float = option(
        1.0,
        help="how much of the schedule is run when images are sampled: 1 starts with noise, less with the image that "
        "steers, noised as far as that",
        above=0,
        maximum=1,
    )
    correction: Correction = option(
        "wavelet",
        help="where colours and low frequencies come from: the LR image by wavelets (wavelet), or so that the SR image "
        "reduced is the LR image (consistent), or as they were sampled (none)",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_correction(self.correction, scale=self.scale)
        if "controlnet" not in self.trained or any(name not in TRAINABLE for name in self.trained):
            raise ConfigError(
                f"network_g: trained: must be [controlnet] or [controlnet, unet], got {list(self.trained)}."
            )
        for name in ("style", "negative"):
            text = getattr(self, name)
            if len(text.encode()) > LIMIT - 2 and clip_tokens(text) > LIMIT:  # no token is less than a byte
                raise ConfigError(
                    f"network_g: {name}: is {clip_tokens(text)} tokens long, but the text encoder reads {LIMIT}; "
                    f"shorten it."
                )
        AccelerationOptions.read(self.acceleration).check(SamplerOptions.read(self.sampler))
        LatentTileOptions.read(self.latent_tile)

    @classmethod
    def among(cls: type[_Options], options: Mapping[str, Any]) -> _Options:
        """Take the arguments out of ``network_g``, which has a ``type`` besides."""
        names = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in options.items() if name in names})

    @property
    @abstractmethod
    def model(self) -> str | Mapping[str, Any]:
        """The diffusion model: path of a folder, name on a hub, or an inline configuration."""

    @property
    @abstractmethod
    def is_residual(self) -> bool:
        """Whether what is diffused is the difference to the image that steers, and not the image."""

    @property
    def description(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to mean the same."""
        values = {name: getattr(self, name) for name in self.recorded}
        return {**values, "trained": sorted(self.trained), "latent_std": float(self.latent_std)}
