"""The arguments of VLDM: what each of them does, and what is checked before anything is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segsr_arch.diffusion.latent_options import LatentDiffusionOptions
from segsr_arch.option_fields import option


@dataclass(frozen=True, kw_only=True)
class VLDMOptions(LatentDiffusionOptions):
    """Arguments of VLDM (``network_g:``).

    Raises:
        ConfigError: If one is wrong.
    """

    recorded = ("scale", "diffuses", "told_side")

    stable_diffusion_xl: str | Mapping[str, Any] = option(
        help="folder of Stable Diffusion XL as diffusers writes it, its name on the Hugging Face hub, or an inline "
        "configuration, whose random weights are for tests and toys",
        what="the path of a folder, a name on the hub, or a mapping",
    )
    base: str | Mapping[str, Any] = option(
        "bicubic",
        help="first stage, whose image steers: bicubic interpolation (bicubic), or type and arguments of a network and "
        "path, its checkpoint",
        what="bicubic, or a mapping of a network's type, its arguments and path, its checkpoint",
    )
    diffuses: str = option(
        "image",
        help="what is diffused: the image, as Stable Diffusion XL knows it, or what it has beyond that of the first "
        "stage (residual), which a network of random weights learns sooner",
        choices=("image", "residual"),
    )
    told_side: int | None = option(
        1024,
        help="side of images that Stable Diffusion XL is told, whatever it is: it takes small ones for poor ones; null "
        "tells what it sees",
        unit="HR pixels",
        minimum=1,
    )
    style: str = option(
        "a sharp, highly detailed aerial photograph",
        help="words that stand before every caption when images are sampled",
    )
    negative: str = option(
        "blurry, noisy, compressed, painting, cartoon",
        help="words for what is not to be seen, from which guidance leads away; empty: from no words at all",
    )

    @property
    def model(self) -> str | Mapping[str, Any]:
        """Stable Diffusion XL."""
        return self.stable_diffusion_xl

    @property
    def is_residual(self) -> bool:
        """Whether what is diffused is the difference to the image of the first stage."""
        return self.diffuses == "residual"
