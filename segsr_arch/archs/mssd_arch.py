"""MSSD: a diffusion model that is steered by the LR image and by words on how it was degraded."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn
from torch.nn import functional as F

from segsr_arch.archs.bicubic_arch import Bicubic
from segsr_arch.archs.mssd_options import MSSDOptions
from segsr_arch.capabilities import Capabilities
from segsr_arch.captions.budget import TokenBudget
from segsr_arch.compat.registration import register
from segsr_arch.diffusion import checkpoint_description
from segsr_arch.diffusion.autoencoders import Autoencoder
from segsr_arch.diffusion.contrast import ContrastOptions, MomentumContrast
from segsr_arch.diffusion.contrast_features import ContrastFeatures
from segsr_arch.diffusion.control import image_loss
from segsr_arch.diffusion.correction import corrected
from segsr_arch.diffusion.diffused import Diffused
from segsr_arch.diffusion.distillation import Teaching
from segsr_arch.diffusion.latent_tiles import LatentTileOptions
from segsr_arch.diffusion.memory_fit import MemoryFit
from segsr_arch.diffusion.model_kinds import STABLE_DIFFUSION
from segsr_arch.diffusion.noise import noise_of
from segsr_arch.diffusion.parts_source import check_parts, load_parts
from segsr_arch.diffusion.sampling import SamplerOptions, sample
from segsr_arch.diffusion.schedule import NoiseSchedule
from segsr_arch.diffusion.steered_sampling import steered_denoiser
from segsr_arch.diffusion.steered_unet import SteeredUNet
from segsr_arch.diffusion.text import one_each, styled
from segsr_arch.freezing import FrozenIdentity
from segsr_arch.inputs import check_rgb
from segsr_arch.option_fields import takes_fields_of
from segsr_arch.padding import crop, pad_to_multiple

Draw = Callable[[str, tuple[int, ...]], Tensor]

_MEMORY = "contrast."  # what begins so in a checkpoint


@register(ARCH_REGISTRY)
class MSSD(nn.Module):
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
    nested_options = {"sampler": SamplerOptions, "contrast": ContrastOptions, "latent_tile": LatentTileOptions}

    @takes_fields_of(MSSDOptions)
    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.options = options = MSSDOptions(**arguments)
        self.upscale = options.scale
        self.sampler = SamplerOptions.read(options.sampler)
        self.latent_tile = LatentTileOptions.read(options.latent_tile)
        self._fit = MemoryFit("MSSD")
        parts = load_parts(options.stable_diffusion, STABLE_DIFFUSION, trains_unet="unet" in options.trained)
        self.schedule = NoiseSchedule.of(parts.schedule)
        one_pass = options.one_pass_guidance
        self.unet = SteeredUNet(parts, pixel_attention=options.pixel_attention, one_pass=one_pass)
        self.teaching: Teaching | None = None  # of a student of guidance, while it is trained
        self.enlarge = Bicubic(upscale=options.scale)
        self.contrast: MomentumContrast | None = None
        if options.contrast is not None:
            contrast = ContrastOptions.read(options.contrast)
            features = self._features(contrast)
            self.contrast = MomentumContrast(features, width=features.width, options=contrast)

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> None:
        """Find what is wrong with ``network_g`` without reading weights.

        Args:
            options: Constructor arguments by name, and ``type``.

        Raises:
            ConfigError: If an option is wrong.
            WeightsError: If the parts of the diffusion model are not there, or are of another kind.
            DependencyError: If diffusers or transformers are missing.
        """
        check_parts(MSSDOptions.among(options).stable_diffusion, STABLE_DIFFUSION)

    @classmethod
    def check_checkpoint(cls, options: Mapping[str, Any], state: Mapping[str, Any], strict: bool) -> None:
        """Find out whether a checkpoint fits options that :meth:`check_options` has passed.

        Args:
            options: Constructor arguments by name, and ``type``.
            state: Weights by name, as they stand in the checkpoint.
            strict: Of no account here.

        Raises:
            CheckpointError: If it belongs to another network. The digest of what is frozen is left to the constructor.
        """
        checkpoint_description.decode(state, MSSDOptions.among(options).description)

    @property
    def autoencoder(self) -> Autoencoder:
        """Between images and what is diffused."""
        return self.unet.parts.autoencoder

    def _diffused(self, tile: LatentTileOptions) -> Diffused:
        options = self.options
        return Diffused(self.autoencoder, over_base=options.base == "bicubic", std=options.latent_std, tile=tile)

    @property
    def size_multiple(self) -> int:
        """What sides of LR images are padded to, so that HR images are whole blocks of the autoencoder."""
        factor = self.autoencoder.factor
        return factor // math.gcd(factor, self.upscale)

    def forward(
        self,
        lq: Tensor,
        captions: Sequence[str] | None = None,
        seed: int | None = None,
        *,
        sampler: SamplerOptions | None = None,
    ) -> Tensor:
        """Sample an SR image for each LR image; the same seed gives the same, alone or in a batch.

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1], any size of at least one pixel.
            captions: B texts on what was lost, or what is to be seen; ``None`` for none.
            seed: Of the noise; ``None`` takes that of ``sampler``.
            sampler: How to sample, instead of the network's own options.

        Returns:
            SR images (B, 3, sH, sW), about [0, 1], not clipped.

        Raises:
            ConfigError: If the input has not three channels, or there are more or fewer captions than images.
            NotEnoughMemoryError: If memory does not suffice for the smallest tiles.
        """
        check_rgb(lq, "MSSD")
        sampler = sampler or self.sampler
        drawing = sampler if seed is None else replace(sampler, seed=seed)
        words = styled(one_each(captions, len(lq)), TokenBudget(style=self.options.style))

        def some(of: slice, tile: LatentTileOptions) -> Tensor:
            return self._sample(lq[of], words[of], drawing, tile)

        side = -(-self.upscale * max(lq.shape[-2:]) // self.autoencoder.factor)
        return self._fit(some, count=len(lq), side=side, tile=self.latent_tile)

    def _sample(self, lq: Tensor, captions: Sequence[str], sampler: SamplerOptions, tile: LatentTileOptions) -> Tensor:
        """Sample as :meth:`forward` does, from the seed of ``sampler``, over tiles, with captions as they are."""
        autoencoder = self.autoencoder
        enlarged = self.enlarge(pad_to_multiple(lq, self.size_multiple))
        steering = self.unet.steering(self.unet.stem(enlarged).features, captions)
        shape = (autoencoder.channels, *(side // autoencoder.factor for side in enlarged.shape[-2:]))
        noise = noise_of(shape, seed=sampler.seed, keys=()).to(lq.device)

        denoiser = steered_denoiser(self.unet, steering, schedule=self.schedule, sampler=sampler, tile=tile)
        diffused = self._diffused(tile)
        start, about = noise.expand(len(lq), *shape), diffused.expected(enlarged)
        latents = sample(denoiser, start, self.schedule, sampler, expected=about)
        sr = crop(diffused.image(latents, enlarged), *(self.upscale * side for side in lq.shape[-2:]))
        return corrected(sr, lq, kind=self.options.correction, scale=self.upscale)

    def training_losses(
        self,
        lq: Tensor,
        gt: Tensor,
        *,
        captions: Sequence[str] | None = None,
        image_ids: Tensor | None = None,
        draw: Draw,
    ) -> OrderedDict[str, Tensor]:
        """Compute the losses of a step; their sum is to be minimised.

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1].
            gt: HR images (B, 3, sH, sW), RGB in [0, 1].
            captions: B captions, already dropped where there shall be none; ``None`` for none.
            image_ids: (B,) whole numbers, equal for crops of one image.
            draw: Gives the random numbers, on the device of the images: ``draw("t", (B,))`` uniform ones in [0, 1);
                ``draw("noise", shape)`` and ``draw("contrast", shape)`` normal ones.

        Returns:
            ``l_noise``: mean squared error of the prediction; ``l_rgb``: L1 of the stem's images to the HR image;
            ``l_contrast``, times its weight, if there is a contrastive loss. Those of ``teaching`` for a student.
        """
        check_rgb(lq, "MSSD")
        enlarged = self.enlarge(pad_to_multiple(lq, self.size_multiple))
        hr = pad_to_multiple(gt, self.size_multiple * self.upscale)
        stem = self.unet.stem(enlarged)
        clean = self._diffused(self.latent_tile).of(hr, enlarged)
        noise = draw("noise", tuple(clean.shape))
        t = (draw("t", (clean.shape[0],)) * self.schedule.steps).long().clamp(max=self.schedule.steps - 1)
        steering = self.unet.steering(stem.features, captions)
        noised = self.schedule.noised(clean, noise, t)
        if (taught := self.teaching) is not None:
            return taught.losses(self.unet, noised, t, steering, enlarged=enlarged, captions=captions, draw=draw)
        prediction = self.unet.predict(noised, t, steering)
        losses = OrderedDict(
            l_noise=F.mse_loss(prediction.float(), self.schedule.target(clean, noise, t).float()),
            l_rgb=image_loss(stem.images, hr),
        )
        if self.contrast is not None:
            pair = draw("contrast", (2, *clean.shape))  # with the same noise, that alone would make a pair
            loss = self._contrast_loss(self.contrast, enlarged, hr, pair, steering.silence.tokens, image_ids)
            losses["l_contrast"] = self.contrast.options.weight * loss
        return losses

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
        features = self._features(contrast.options)
        if self.training:
            contrast.follow(features)
        query = features(enlarged, pair[0], last, silence)
        loss: Tensor = contrast(query, lambda encoder: encoder(hr, pair[1], last, silence), image_ids)
        return loss

    def get_extra_state(self) -> Tensor:
        """Describe the network in 1024 bytes: scale, what is diffused, what was trained, identity of what was not."""
        frozen = asdict(self.unet.parts.identity)
        return checkpoint_description.encode({**self.options.description, "frozen": frozen})

    def set_extra_state(self, state: Tensor) -> None:
        """Check that a checkpoint was trained beside the same frozen parts.

        Raises:
            CheckpointError: If their digest is another; both are named.
        """
        recorded = checkpoint_description.decode({"_extra_state": state}, self.options.description)
        self.unet.parts.take_identity(FrozenIdentity(**recorded))

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a checkpoint of this network.

        What the contrastive loss remembered is left where there is none; where a moving average is loaded, which has no
        such memory, it begins anew.

        Args:
            state_dict: Entries of ``params`` or ``params_ema``.
            strict: As in torch; another scale, base or frozen part is never allowed.
            assign: As in torch.

        Returns:
            Missing and unexpected names.

        Raises:
            CheckpointError: If it belongs to another network.
        """
        checkpoint_description.decode(state_dict, self.options.description)
        remembers = any(name.startswith(_MEMORY) for name in state_dict)
        if self.contrast is None:
            state_dict = {name: value for name, value in state_dict.items() if not name.startswith(_MEMORY)}
        elif not remembers:
            state_dict = {**state_dict, **self.contrast.state_dict(prefix=_MEMORY)}
        loaded = super().load_state_dict(state_dict, strict=strict, assign=assign)
        if self.contrast is not None and not remembers:
            self.contrast.begin(self._features(self.contrast.options))
        return loaded
