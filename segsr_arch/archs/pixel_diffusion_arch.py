"""Super-resolution by a diffusion of pixels that sees nothing but the LR image: the first stage of VLDM."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn
from torch.nn import functional as F

from segsr_arch.archs.bicubic_arch import Bicubic
from segsr_arch.archs.pixel_diffusion_options import PixelDiffusionOptions
from segsr_arch.capabilities import Capabilities
from segsr_arch.compat.registration import register
from segsr_arch.diffusion import checkpoint_description
from segsr_arch.diffusion.correction import corrected
from segsr_arch.diffusion.diffused import Diffused
from segsr_arch.diffusion.library import build_model, diffusers_library
from segsr_arch.diffusion.parts.autoencoders import PixelAutoencoder
from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions, tiled
from segsr_arch.diffusion.samplers.memory_fit import MemoryFit
from segsr_arch.diffusion.samplers.noise import noise_of, noise_spaced
from segsr_arch.diffusion.samplers.sampling import SolverOptions, sample
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule, ScheduleOptions
from segsr_arch.errors import ConfigError
from segsr_arch.inputs import check_rgb
from segsr_arch.option_fields import takes_fields_of
from segsr_arch.padding import crop, pad_to_multiple
from segsr_arch.windows import Window

_TIMES = 1000  # what the UNet embeds is from 0 to this
_LOSSES = {"l1": F.l1_loss, "l2": F.mse_loss}


@register(ARCH_REGISTRY)
class PixelDiffusion(nn.Module):
    """A UNet that takes noise off images beside the LR image enlarged; no words, no guidance.

    By default it diffuses what the HR image has beyond bicubic interpolation, and predicts v. As in the paper (SR3;
    Saharia et al., Image Super-Resolution via Iterative Refinement, 2022) it diffuses the image and predicts the noise:
    ``base: none``, ``loss: l1``, ``schedule: {num_train_timesteps: 2000, beta_schedule: linear, beta_start: 1e-6,
    beta_end: 1e-2}``. Either way the UNet is told the share of noise itself, which is drawn between the steps of the
    schedule, so that samples of fewer steps end where it was trained.

    Args:
        arguments: Fields of :class:`~segsr_arch.archs.pixel_diffusion_options.PixelDiffusionOptions`.

    Raises:
        ConfigError: If an option is wrong.
        DependencyError: If diffusers is missing.
    """

    capabilities = Capabilities(takes_any_size=True, precisions=("fp32",), exportable=False)
    reads_captions = False  # it takes them for the sake of DiffusionModel alone
    nested_options = {"sampler": SolverOptions, "latent_tile": LatentTileOptions, "schedule": ScheduleOptions}

    @takes_fields_of(PixelDiffusionOptions)
    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.options = options = PixelDiffusionOptions(**arguments)
        self.upscale = options.scale
        self.sampler = SolverOptions.read(options.sampler)
        self.noise_stride = options.block  # side of what a value of the noise stands for, in HR pixels
        self.latent_tile = LatentTileOptions.read(options.latent_tile)
        self.schedule = NoiseSchedule.of(options.schedule_arguments)
        self.enlarge = Bicubic(upscale=options.scale)
        self.pixels = PixelAutoencoder(factor=options.block)
        over_base, tile = options.base == "bicubic", self.latent_tile
        self.diffused = Diffused(self.pixels, over_base=over_base, std=options.std, tile=tile)
        self.unet = _unet(options)
        self._fit = MemoryFit("PixelDiffusion")

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> None:
        """Find what is wrong with ``network_g`` without memory for weights.

        Args:
            options: Constructor arguments by name, and ``type``.

        Raises:
            ConfigError: If an option is wrong.
            DependencyError: If diffusers is missing.
        """
        own = PixelDiffusionOptions.among(options)
        SolverOptions.read(own.sampler).check(cls.schedule_of(options))
        with torch.device("meta"):
            _unet(own)

    @classmethod
    def schedule_of(cls, options: Mapping[str, Any]) -> NoiseSchedule:
        """Tell the noise schedule that a network of such options has; see :meth:`check_options`."""
        return NoiseSchedule.of(PixelDiffusionOptions.among(options).schedule_arguments)

    @classmethod
    def check_checkpoint(cls, options: Mapping[str, Any], state: Mapping[str, Any], strict: bool) -> None:
        """Find out whether a checkpoint fits options that :meth:`check_options` has passed.

        Args:
            options: Constructor arguments by name, and ``type``.
            state: Weights by name, as they stand in the checkpoint.
            strict: Of no account here.

        Raises:
            CheckpointError: If it belongs to another network.
        """
        checkpoint_description.decode(state, PixelDiffusionOptions.among(options).description)

    @property
    def size_multiple(self) -> int:
        """What sides of LR images are padded to, so that the UNet can halve those of HR images."""
        needed = self.options.block * self.options.unet_multiple
        return needed // math.gcd(needed, self.upscale)

    def forward(
        self,
        lq: Tensor,
        captions: Sequence[str] | None = None,
        seed: int | None = None,
        *,
        sampler: SolverOptions | None = None,
    ) -> Tensor:
        """Sample an SR image for each LR image; the same seed gives the same, alone or in a batch.

        Gradients go back through all steps, whose graph takes memory for each of them, unless ``torch.no_grad`` holds.

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1], any size of at least one pixel.
            captions: Not read: what this network gives comes from the LR image alone.
            seed: Of the noise; ``None`` takes that of ``sampler``.
            sampler: How to sample, instead of the network's own options.

        Returns:
            SR images (B, 3, sH, sW), about [0, 1], not clipped.

        Raises:
            ConfigError: If the input has not three channels.
            NotEnoughMemoryError: If memory does not suffice for the smallest tiles.
        """
        check_rgb(lq, "PixelDiffusion")
        drawing = sampler or self.sampler
        if seed is not None:
            drawing = replace(drawing, seed=seed)

        def some(of: slice, tile: LatentTileOptions) -> Tensor:
            multiple = self.options.unet_multiple  # of which a tile that is halved may be none
            size = max(tile.size // multiple, 1) * multiple
            with noise_spaced(self.options.block):
                return self._sample(lq[of], drawing, replace(tile, size=size, overlap=min(tile.overlap, size - 1)))

        side = -(-self.upscale * max(lq.shape[-2:]) // self.options.block)
        return self._fit(some, count=len(lq), side=side, tile=self.latent_tile)

    def _sample(self, lq: Tensor, sampler: SolverOptions, tile: LatentTileOptions) -> Tensor:
        """Sample as :meth:`forward` does, from the seed of ``sampler``, over tiles."""
        enlarged = self.enlarge(pad_to_multiple(lq, self.size_multiple))
        seen = self.pixels.encode(enlarged)
        noise = noise_of(seen.shape[1:], seed=sampler.seed, keys=()).to(lq.device)

        def predict(latents: Tensor, t: float, window: Window) -> Tensor:
            place = (..., *window.slices)
            return self._predict(latents, seen[place], torch.full((len(latents),), t))

        expected = self.diffused.expected(enlarged)
        latents = sample(tiled(predict, tile), noise.expand(seen.shape), self.schedule, sampler, expected=expected)
        sr = crop(self.diffused.image(latents, enlarged), *(self.upscale * side for side in lq.shape[-2:]))
        return corrected(sr, lq, kind=self.options.correction, scale=self.upscale)

    def training_losses(
        self,
        lq: Tensor,
        gt: Tensor,
        *,
        captions: Sequence[str] | None = None,
        image_ids: Tensor | None = None,
        draw: Callable[[str, tuple[int, ...]], Tensor],
    ) -> OrderedDict[str, Tensor]:
        """Compute the loss of a step.

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1].
            gt: HR images (B, 3, sH, sW), RGB in [0, 1].
            captions: Not read.
            image_ids: Not read.
            draw: Gives the random numbers, on the device of the images: ``draw("t", (B,))`` uniform ones in [0, 1);
                ``draw("noise", shape)`` normal ones.

        Returns:
            ``l_noise``: error of the prediction.
        """
        check_rgb(lq, "PixelDiffusion")
        enlarged = self.enlarge(pad_to_multiple(lq, self.size_multiple))
        seen = self.pixels.encode(enlarged)
        clean = self.diffused.of(pad_to_multiple(gt, self.size_multiple * self.upscale), enlarged)
        noise = draw("noise", tuple(clean.shape))
        t = draw("t", (len(clean),)) * self.schedule.steps - 1  # between -1, no noise, and the last step
        prediction = self._predict(self.schedule.noised(clean, noise, t), seen, t)
        target = self.schedule.target(clean, noise, t)
        return OrderedDict(l_noise=_LOSSES[self.options.loss](prediction.float(), target.float()))

    def _predict(self, noised: Tensor, seen: Tensor, t: Tensor) -> Tensor:
        """What the schedule asks for at times t (B,), which may lie between steps."""
        # The angle whose cosine the signal is: it tells apart the last shares of noise, as the signal does not.
        angle = torch.atan2(self.schedule.noise(t), self.schedule.signal(t)).flatten().to(noised.device)
        prediction: Tensor = self.unet(torch.cat([seen, noised], dim=1), angle * (_TIMES * 2 / math.pi)).sample
        return prediction

    def get_extra_state(self) -> Tensor:
        """Describe the network in 1024 bytes: scale and what is diffused. Nothing is frozen."""
        return checkpoint_description.encode({**self.options.description, "frozen": {}})

    def set_extra_state(self, state: Tensor) -> None:
        """Check that a checkpoint is of such a network.

        Raises:
            CheckpointError: If it belongs to another one.
        """
        checkpoint_description.decode({"_extra_state": state}, self.options.description)


def _unet(options: PixelDiffusionOptions) -> nn.Module:
    channels = 3 * options.block**2
    given = {"in_channels": 2 * channels, "out_channels": channels}
    for name in given:
        if name in options.unet_arguments:
            raise ConfigError(f"network_g: unet: {name}: follows from block; remove it.")
    return build_model(diffusers_library().UNet2DModel, {**options.unet_arguments, **given}, "network_g: unet")
