"""The arguments of PixelDiffusion: what each of them does, and what is checked before anything is built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from segsr_arch.diffusion.correction import Correction, check_correction
from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions
from segsr_arch.diffusion.samplers.sampling import SolverOptions
from segsr_arch.diffusion.samplers.schedule import ScheduleOptions
from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, option

PAPER_UNET: Mapping[str, Any] = {
    "block_out_channels": [64, 128, 256, 512, 512],
    "down_block_types": ["DownBlock2D", "DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "norm_num_groups": 32,
    "dropout": 0.2,
}
"""The UNet of the first stage of VLDM: 64 channels times 1, 2, 4, 8, 8; attention at an eighth of the side."""
OUR_SCHEDULE: Mapping[str, Any] = {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}


@dataclass(frozen=True, kw_only=True)
class PixelDiffusionOptions(OptionGroup):
    """Arguments of PixelDiffusion (``network_g:``).

    Raises:
        ConfigError: If one is wrong.
    """

    section = "network_g"

    scale: int = option(help="scale s", minimum=1)
    base: str = option(
        "bicubic",
        help="what is diffused: what the HR image has beyond the LR image enlarged (bicubic), or the image itself "
        "(none, as in the paper)",
        choices=("bicubic", "none"),
    )
    latent_std: float | None = option(
        None,
        help="standard deviation of what is diffused, whose pixels are from -1 to 1, and which is divided by it; null: "
        "0.13 for bicubic, 0.5 for none",
        above=0,
    )
    block: int = option(
        1,
        help="side of blocks whose pixels become channels: 2 makes the UNet a quarter of the work, and so on",
        unit="HR pixels",
        minimum=1,
    )
    unet: Mapping[str, Any] | None = option(
        None, help="arguments of diffusers' UNet2DModel, channels of input and output left out; null: the paper's"
    )
    schedule: Mapping[str, Any] | None = option(
        None, help="the noise schedule; null: 1000 steps of a squared cosine, v is predicted"
    )
    loss: str = option(
        "l2", help="mean of squares or of absolute values of what is predicted wrong", choices=("l2", "l1")
    )
    sampler: Mapping[str, Any] | None = option(None, help="how images are sampled")
    latent_tile: Mapping[str, Any] | None = option(
        None, help="how images are cut that are larger than those of the training, in blocks"
    )
    correction: Correction = option(
        "consistent",
        help="whether the SR image reduced is to be the LR image (consistent; for LR images without noise), its low "
        "frequencies those of the LR image (wavelet), or neither (none)",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_correction(self.correction, scale=self.scale)
        SolverOptions.read(self.sampler)
        if self.block & (self.block - 1):
            raise ConfigError(f"network_g: block: must be a power of two, got {self.block}.")
        side, multiple = LatentTileOptions.read(self.latent_tile).size, self.unet_multiple
        if side % multiple:
            raise ConfigError(
                f"network_g: latent_tile: size: must be a multiple of {multiple}, by which the UNet divides sides, got "
                f"{side}."
            )

    @classmethod
    def among(cls, options: Mapping[str, Any]) -> "PixelDiffusionOptions":
        """Take the arguments out of ``network_g``, which has a ``type`` besides."""
        names = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in options.items() if name in names})

    @property
    def std(self) -> float:
        """Standard deviation of what is diffused."""
        if self.latent_std is not None:
            return float(self.latent_std)
        return 0.13 if self.base == "bicubic" else 0.5

    @property
    def unet_arguments(self) -> Mapping[str, Any]:
        """Arguments of the UNet."""
        return PAPER_UNET if self.unet is None else self.unet

    @property
    def unet_multiple(self) -> int:
        """By what the UNet divides sides on its way down."""
        blocks = self.unet_arguments.get("down_block_types")
        return int(2 ** (len(blocks) - 1)) if isinstance(blocks, Sequence) and blocks else 1

    @property
    def description(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to mean the same."""
        prediction = ScheduleOptions.read(self.schedule_arguments).prediction_type
        return {
            "scale": self.scale,
            "base": self.base,
            "latent_std": self.std,
            "block": self.block,
            "prediction_type": prediction,
        }

    @property
    def schedule_arguments(self) -> Mapping[str, Any]:
        """The noise schedule."""
        return OUR_SCHEDULE if self.schedule is None else self.schedule
