"""MSSD: a diffusion model that is steered by the LR image and by words on how it was degraded."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor

from segsr_arch.archs.bicubic_arch import Bicubic
from segsr_arch.archs.mssd_options import MSSDOptions
from segsr_arch.capabilities import Capabilities
from segsr_arch.compat.registration import register
from segsr_arch.diffusion.latent_network import Draw, LatentDiffusion
from segsr_arch.diffusion.latent_options import NESTED
from segsr_arch.diffusion.learning.contrast import ContrastOptions, MomentumContrast
from segsr_arch.diffusion.learning.contrast_features import ContrastFeatures
from segsr_arch.diffusion.learning.noised_batch import NoisedBatch
from segsr_arch.diffusion.parts.model_kinds import STABLE_DIFFUSION
from segsr_arch.diffusion.steering.steered_unet import SteeredUNet
from segsr_arch.option_fields import takes_fields_of

_MEMORY = "contrast."  # what begins so in a checkpoint


@register(ARCH_REGISTRY)
class MSSD(LatentDiffusion):
    """Super-resolution by a diffusion model with a contrastive ControlNet (Lu et al., MSSD).

    The LR image, enlarged, steers a frozen UNet through a ControlNet made from it; captions tell it how the image was
    degraded. Diffused is the HR image in the space of the autoencoder, or what it has beyond an enlarged LR image.

    .. code-block:: yaml

        network_g:
          type: MSSD
          scale: 4
          stable_diffusion: stable-diffusion-v1-5    # a folder as diffusers writes it, or a name on the hub

    Args:
        arguments: Fields of :class:`~segsr_arch.archs.mssd_options.MSSDOptions`.

    Raises:
        ConfigError: If an option is wrong.
        WeightsError: If weights cannot be had, or are of another kind of model.
        DependencyError: If diffusers or transformers are missing.
    """

    capabilities = Capabilities(
        takes_any_size=True, precisions=("fp32",), exportable=False, training_only=("contrast",)
    )
    nested_options = {**NESTED, "contrast": ContrastOptions}
    options: MSSDOptions
    options_type, model_kind = MSSDOptions, STABLE_DIFFUSION

    @takes_fields_of(MSSDOptions)
    def __init__(self, **arguments: Any) -> None:
        options = MSSDOptions(**arguments)
        one_pass, attends = options.one_pass_guidance, options.pixel_attention
        super().__init__(options, steered=partial(SteeredUNet, pixel_attention=attends, one_pass=one_pass))
        self.enlarge = Bicubic(upscale=options.scale)
        self.contrast: MomentumContrast | None = None
        if options.contrast is not None:
            contrast = ContrastOptions.read(options.contrast)
            features = self._features(contrast)
            self.contrast = MomentumContrast(features, width=features.width, options=contrast)

    def image_of(self, lq: Tensor, *, seed: int) -> Tensor:
        """Enlarge LR images; see :class:`LatentDiffusion`."""
        enlarged: Tensor = self.enlarge(lq)
        return enlarged

    def begin_iteration(self) -> None:
        """Let the momentum encoder of the contrastive loss follow, if there is one: once before the losses of a step.

        In how many parts these are computed is no matter of it.
        """
        if self.contrast is not None:
            self.contrast.follow(self._features(self.contrast.options))

    def further_losses(self, batch: NoisedBatch, *, image_ids: Tensor | None, draw: Draw) -> dict[str, Tensor]:
        """Contrast LR with HR images: ``l_contrast``, times its weight, of ``draw("contrast", shape)``."""
        if self.contrast is None:
            return {}
        pair = draw("contrast", (2, *batch.clean.shape))  # with the same noise, that alone would make a pair
        silence = batch.steering.silence.tokens
        loss = self._contrast_loss(self.contrast, batch.image, batch.hr, pair, silence, image_ids)
        return {"l_contrast": self.contrast.options.weight * loss}

    def _features(self, options: ContrastOptions) -> ContrastFeatures:
        """What of the network is contrasted; its modules are not registered a second time."""
        return ContrastFeatures(self.unet.stem, self.unet.control if options.feature == "encoder" else None)

    def _contrast_loss(
        self,
        contrast: MomentumContrast,
        enlarged: Tensor,
        hr: Tensor,
        pair: Tensor,
        silence: Tensor,
        image_ids: Tensor | None,
    ) -> Tensor:
        last = torch.full((len(hr),), self.schedule.steps - 1, device=hr.device)
        query = self._features(contrast.options)(enlarged, pair[0], last, silence)
        loss: Tensor = contrast(query, lambda encoder: encoder(hr, pair[1], last, silence), image_ids)
        return loss

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a checkpoint as any network of a latent diffusion, see :class:`LatentDiffusion`.

        What the contrastive loss remembered is left where there is none; where a moving average is loaded, which has no
        such memory, it begins anew.
        """
        remembers = any(name.startswith(_MEMORY) for name in state_dict)
        if self.contrast is None:
            state_dict = {name: value for name, value in state_dict.items() if not name.startswith(_MEMORY)}
        elif not remembers:
            state_dict = {**state_dict, **self.contrast.state_dict(prefix=_MEMORY)}
        loaded = super().load_state_dict(state_dict, strict=strict, assign=assign)
        if self.contrast is not None and not remembers:
            self.contrast.begin(self._features(self.contrast.options))
        return loaded
