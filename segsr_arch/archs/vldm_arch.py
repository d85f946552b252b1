"""VLDM: a first stage that sees the LR image alone, and Stable Diffusion XL, which a caption guides, on top of it."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor

from segsr_arch.archs.vldm_options import VLDMOptions
from segsr_arch.capabilities import Capabilities
from segsr_arch.compat.registration import register
from segsr_arch.diffusion.first_stage import PATH, FirstStage, check_first_stage
from segsr_arch.diffusion.latent_network import LatentDiffusion
from segsr_arch.diffusion.latent_options import NESTED
from segsr_arch.diffusion.parts.model_kinds import STABLE_DIFFUSION_XL
from segsr_arch.diffusion.samplers.noise import generator_of
from segsr_arch.diffusion.steering.steered_unet import SteeredUNet
from segsr_arch.freezing import KeepsFrozenOut
from segsr_arch.option_fields import takes_fields_of
from segsr_arch.option_keys import Key


@register(ARCH_REGISTRY)
class VLDM(LatentDiffusion):
    """Super-resolution in two stages, of which the second adds detail under the guidance of a caption (VLDM).

    The image of the first stage, which is frozen, steers the UNet of Stable Diffusion XL, frozen too, through a
    ControlNet made from it, and is what sampling starts with, as far as ``strength`` is below 1.

    .. code-block:: yaml

        network_g:
          type: VLDM
          scale: 4
          stable_diffusion_xl: stable-diffusion-xl-base-1.0    # a folder as diffusers writes it, or a name on the hub
          base: {type: PixelDiffusion, scale: 4, path: experiments/VLDM_stage1_AID_x4/models/net_g_latest.pth}

    Args:
        arguments: Fields of :class:`~segsr_arch.archs.vldm_options.VLDMOptions`.

    Raises:
        ConfigError: If an option is wrong, or the first stage enlarges by another scale.
        WeightsError: If weights cannot be had, or are of another kind of model.
        CheckpointError: If that of the first stage cannot be read or belongs to another network.
        DependencyError: If diffusers or transformers are missing.
    """

    capabilities = Capabilities(takes_any_size=True, precisions=("fp32",), exportable=False)
    nested_options = NESTED
    nested_networks = ("base",)
    keys_beside_nested = {PATH: Key("text", help="checkpoint of the network; without one its weights are random")}
    options: VLDMOptions
    options_type, model_kind = VLDMOptions, STABLE_DIFFUSION_XL

    @takes_fields_of(VLDMOptions)
    def __init__(self, **arguments: Any) -> None:
        options = VLDMOptions(**arguments)
        super().__init__(options, steered=partial(SteeredUNet, told_side=options.told_side, shows=False))
        self.first_stage = FirstStage(options.base, scale=options.scale)
        self.first_stage.stays = options.cpu_offload
        self.noise_stride = math.lcm(self.noise_stride, getattr(self.first_stage.network, "noise_stride", 1))

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> None:
        """Find what is wrong with ``network_g`` without reading weights, but for the checkpoint of the first stage.

        Args:
            options: Constructor arguments by name, and ``type``.

        Raises:
            ConfigError: If an option is wrong, or the first stage enlarges by another scale.
            WeightsError: If the parts of the diffusion model are not there, or are of another kind.
            CheckpointError: If that of the first stage cannot be read or belongs to another network.
            DependencyError: If diffusers or transformers are missing.
        """
        super().check_options(options)
        own = VLDMOptions.among(options)
        check_first_stage(own.base, scale=own.scale)

    def image_of(self, lq: Tensor, *, seed: int) -> Tensor:
        """Run the first stage, whose noise is not that of the second; see :class:`LatentDiffusion`."""
        of_its_own = int(generator_of(seed=seed, keys=("first stage",)).integers(2**31))
        with self._brought(self.first_stage.network, lq):
            image: Tensor = self.first_stage(lq, seed=of_its_own)
        return image

    def _frozen(self) -> dict[str, KeepsFrozenOut]:
        return {**super()._frozen(), "frozen_base": self.first_stage}
