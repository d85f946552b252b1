"""MSSD: a diffusion model that is steered by the LR image and by words on how it was degraded."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn
from torch.nn import functional as F

from segsr_arch.archs.bicubic_arch import Bicubic
from segsr_arch.capabilities import Capabilities
from segsr_arch.compat.registration import register
from segsr_arch.diffusion.autoencoders import Autoencoder, encode_frozen
from segsr_arch.diffusion.contrast import ContrastOptions, MomentumContrast
from segsr_arch.diffusion.contrast_features import ContrastFeatures
from segsr_arch.diffusion.control import image_loss
from segsr_arch.diffusion.correction import Correction, check_correction, corrected
from segsr_arch.diffusion.inline_parts import build_inline
from segsr_arch.diffusion.latent_tiles import LatentTileOptions, tiled
from segsr_arch.diffusion.noise import noise_of
from segsr_arch.diffusion.sampling import SamplerOptions, sample
from segsr_arch.diffusion.schedule import NoiseSchedule
from segsr_arch.diffusion.steered_unet import SteeredUNet
from segsr_arch.errors import ConfigError
from segsr_arch.padding import crop, pad_to_multiple
from segsr_arch.windows import Window

Draw = Callable[[str, tuple[int, ...]], Tensor]
TRAINABLE = ("controlnet", "unet")


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
        scale: Scale s.
        stable_diffusion: Folder or hub name of Stable Diffusion 1, or an inline configuration, see
            :func:`~segsr_arch.diffusion.inline_parts.build_inline`, whose random weights are for tests and toys.
        trained: What is trained: ``controlnet``, and ``unet`` where nobody has trained it.
        base: What is diffused: the image (``none``), or its difference to the LR image enlarged (``bicubic``).
        latent_std: Standard deviation of what is diffused, which is divided by it; 1 for an autoencoder that scales.
        pixel_attention: Whether the UNet's decoder attends to the features of the ControlNet.
        contrast: Options of the contrastive loss, see :class:`~segsr_arch.diffusion.contrast.ContrastOptions`; ``None``
            leaves it out.
        sampler: How images are sampled, see :class:`~segsr_arch.diffusion.sampling.SamplerOptions`.
        latent_tile: How latents are cut that are larger than those of the training, see
            :class:`~segsr_arch.diffusion.latent_tiles.LatentTileOptions`.
        correction: Where low frequencies and colours come from: the LR image by wavelets (``wavelet``), or so that the
            SR image, reduced, is the LR image (``consistent``), or as they were sampled (``none``).

    Raises:
        ConfigError: If an option is wrong.
        WeightsError: If weights cannot be had, or are of another kind of model.
        DependencyError: If diffusers or transformers are missing.
    """

    capabilities = Capabilities(takes_any_size=True, precisions=("fp32",), exportable=False)
    nested_options = {"sampler": SamplerOptions, "contrast": ContrastOptions, "latent_tile": LatentTileOptions}

    def __init__(
        self,
        *,
        scale: int,
        stable_diffusion: str | Mapping[str, Any],
        trained: Sequence[str] = ("controlnet",),
        base: Literal["none", "bicubic"] = "none",
        latent_std: float = 1.0,
        pixel_attention: bool = False,
        contrast: Mapping[str, Any] | ContrastOptions | None = None,
        sampler: Mapping[str, Any] | SamplerOptions | None = None,
        latent_tile: Mapping[str, Any] | LatentTileOptions | None = None,
        correction: Correction = "wavelet",
    ) -> None:
        super().__init__()
        _check(scale=scale, trained=trained, base=base, latent_std=latent_std, correction=correction)
        self.upscale = scale
        self.base, self.latent_std, self.correction = base, float(latent_std), correction
        self.sampler = sampler if isinstance(sampler, SamplerOptions) else SamplerOptions.read(sampler)
        tile = latent_tile
        self.latent_tile = tile if isinstance(tile, LatentTileOptions) else LatentTileOptions.read(tile)
        assert isinstance(stable_diffusion, Mapping)
        parts = build_inline(stable_diffusion, trains_unet="unet" in trained)
        self.schedule = NoiseSchedule.of(parts.schedule)
        self.unet = SteeredUNet(parts, pixel_attention=pixel_attention)
        self.enlarge = Bicubic(upscale=scale)
        self.contrast: MomentumContrast | None = None
        if contrast is not None:
            options = contrast if isinstance(contrast, ContrastOptions) else ContrastOptions.read(contrast)
            features = self._features(options)
            self.contrast = MomentumContrast(features, width=features.width, options=options)

    @property
    def autoencoder(self) -> Autoencoder:
        """Between images and what is diffused."""
        return self.unet.parts.autoencoder

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
        """
        _check_rgb(lq)
        sampler = sampler or self.sampler
        autoencoder = self.autoencoder
        enlarged = self.enlarge(pad_to_multiple(lq, self.size_multiple))
        steering = self.unet.steering(self.unet.stem(enlarged).features, captions)
        shape = (autoencoder.channels, *(side // autoencoder.factor for side in enlarged.shape[-2:]))
        noise = noise_of(shape, seed=sampler.seed if seed is None else seed, keys=()).to(lq.device)

        def predict(latents: Tensor, t: int, window: Window) -> Tensor:
            steps = torch.full((latents.shape[0],), t, device=latents.device)
            return self.unet.predict_guided(latents, steps, steering.at(window), sampler.guidance)

        denoiser = tiled(predict, self.latent_tile)
        latents = sample(denoiser, noise.expand(lq.shape[0], *shape), self.schedule, sampler)
        sr = autoencoder.decode(self._without_base(latents, enlarged))
        sr = crop(sr, *(self.upscale * side for side in lq.shape[-2:]))
        return corrected(sr, lq, kind=self.correction, scale=self.upscale)

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
            ``l_contrast``, times its weight, if there is a contrastive loss.
        """
        _check_rgb(lq)
        enlarged = self.enlarge(pad_to_multiple(lq, self.size_multiple))
        hr = pad_to_multiple(gt, self.size_multiple * self.upscale)
        stem = self.unet.stem(enlarged)
        clean = self._beyond_base(hr, enlarged)
        noise = draw("noise", tuple(clean.shape))
        t = (draw("t", (clean.shape[0],)) * self.schedule.steps).long().clamp(max=self.schedule.steps - 1)
        steering = self.unet.steering(stem.features, captions)
        prediction = self.unet.predict(self.schedule.noised(clean, noise, t), t, steering)
        losses = OrderedDict(
            l_noise=F.mse_loss(prediction.float(), self.schedule.target(clean, noise, t).float()),
            l_rgb=image_loss(stem.images, hr),
        )
        if self.contrast is not None:
            pair = draw("contrast", (2, *clean.shape))  # with the same noise, that alone would make a pair
            loss = self._contrast_loss(self.contrast, enlarged, hr, pair, steering.silence, image_ids)
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

    def _beyond_base(self, hr: Tensor, enlarged: Tensor) -> Tensor:
        """What is diffused: latents of the HR image, less those of the base, at unit variance."""
        latents = encode_frozen(self.autoencoder, hr)
        if self.base == "bicubic":
            latents = latents - encode_frozen(self.autoencoder, enlarged)
        return latents / self.latent_std

    def _without_base(self, latents: Tensor, enlarged: Tensor) -> Tensor:
        """The reverse: latents of an image."""
        latents = latents * self.latent_std
        if self.base == "bicubic":
            latents = latents + self.autoencoder.encode(enlarged)
        return latents


def _check(*, scale: int, trained: Sequence[str], base: str, latent_std: float, correction: str) -> None:
    if scale < 1:
        raise ConfigError(f"scale: must be at least 1, got {scale}.")
    unknown = [name for name in trained if name not in TRAINABLE]
    if unknown or "controlnet" not in trained:
        raise ConfigError(f"trained: must be [controlnet] or [controlnet, unet], got {list(trained)}.")
    if base not in ("none", "bicubic"):
        raise ConfigError(f"base: must be none or bicubic, got {base!r}.")
    check_correction(correction)
    if not latent_std > 0:
        raise ConfigError(f"latent_std: must be above 0, got {latent_std}.")


def _check_rgb(lq: Tensor) -> None:
    if lq.shape[1] != 3:
        raise ConfigError(f"MSSD needs RGB: input (B, 3, H, W), got {tuple(lq.shape)}.")
