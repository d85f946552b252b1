"""A network made from a latent diffusion model and a ControlNet: sampling, training, and what checkpoints say."""

import math
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from segsr_arch.captions.budget import TokenBudget
from segsr_arch.diffusion import checkpoint_description
from segsr_arch.diffusion.correction import corrected
from segsr_arch.diffusion.described_network import DescribedNetwork
from segsr_arch.diffusion.diffused import Diffused
from segsr_arch.diffusion.latent_options import LatentDiffusionOptions
from segsr_arch.diffusion.learning.distillation import Teaching
from segsr_arch.diffusion.learning.noised_batch import NoisedBatch
from segsr_arch.diffusion.memory_saving import brought, check_offload, save_memory
from segsr_arch.diffusion.parts.autoencoders import Autoencoder
from segsr_arch.diffusion.parts.model_kinds import ModelKind
from segsr_arch.diffusion.parts.parts_source import check_parts, load_parts
from segsr_arch.diffusion.parts.text import one_each, styled
from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions
from segsr_arch.diffusion.samplers.memory_fit import MemoryFit
from segsr_arch.diffusion.samplers.noise import noise_of, noise_spaced
from segsr_arch.diffusion.samplers.sampling import SamplerOptions
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule, ScheduleOptions
from segsr_arch.diffusion.steering.acceleration import AccelerationOptions, Accelerator
from segsr_arch.diffusion.steering.control import image_loss
from segsr_arch.diffusion.steering.steered_sampling import sample_steered
from segsr_arch.diffusion.steering.steered_unet import SteeredUNet
from segsr_arch.freezing import KeepsFrozenOut
from segsr_arch.inputs import check_rgb
from segsr_arch.padding import crop, pad_to_multiple

Draw = Callable[[str, tuple[int, ...]], Tensor]


class LatentDiffusion(DescribedNetwork):
    """A frozen UNet that is steered by an image at HR size, made from the LR image, and by words.

    A subclass says by :meth:`image_of` what that image is, and has the attributes below.

    Args:
        options: Arguments of the network.
        steered: Makes the steered UNet of the parts of the diffusion model.

    Attributes:
        options: As given.
        options_type: Class of the arguments.
        model_kind: What kind of model it is made from.

    Raises:
        ConfigError: If an option is wrong.
        WeightsError: If weights cannot be had, or are of another kind of model.
        DependencyError: If diffusers or transformers are missing.
    """

    options: LatentDiffusionOptions
    options_type: ClassVar[type[LatentDiffusionOptions]]
    model_kind: ClassVar[ModelKind]
    described_later = tuple(asdict(ScheduleOptions()))

    def __init__(self, options: LatentDiffusionOptions, *, steered: Callable[..., SteeredUNet]) -> None:
        super().__init__()
        self.upscale = options.scale
        self.sampler = SamplerOptions.read(options.sampler)
        self.accelerator = Accelerator(AccelerationOptions.read(options.acceleration))
        self.latent_tile = LatentTileOptions.read(options.latent_tile)
        self._fit = MemoryFit(type(self).__name__)
        self.options = options
        parts = load_parts(options.model, self.model_kind, trains_unet="unet" in options.trained)
        self.schedule = NoiseSchedule.of(parts.schedule)
        self.unet = steered(parts)
        save_memory(self.unet, options)
        self.noise_stride = self.autoencoder.factor  # side of what a value of the noise stands for, in HR pixels
        self.teaching: Teaching | None = None  # of a student of guidance, while it is trained

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
        own = cls.options_type.among(options)
        check_offload(own.cpu_offload)
        SamplerOptions.read(own.sampler).check(cls.schedule_of(options))

    @classmethod
    def schedule_of(cls, options: Mapping[str, Any]) -> NoiseSchedule:
        """Tell the noise schedule that a network of such options has, checking its parts; see :meth:`check_options`."""
        return check_parts(cls.options_type.among(options).model, cls.model_kind)

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
        described = _described(cls.options_type.among(options), cls.schedule_of(options))
        checkpoint_description.decode(state, described, later=cls.described_later)

    @abstractmethod
    def image_of(self, lq: Tensor, *, seed: int) -> Tensor:
        """Make the image that steers: (B, 3, H, W), RGB in [0, 1] -> (B, 3, sH, sW), about [0, 1].

        Args:
            lq: LR images.
            seed: Of what makes them, if that samples.
        """

    def further_losses(self, batch: NoisedBatch, *, image_ids: Tensor | None, draw: Draw) -> dict[str, Tensor]:
        """Losses of a subclass beside those of all, by name; see :meth:`training_losses`."""
        return {}

    @property
    def autoencoder(self) -> Autoencoder:
        """Between images and what is diffused."""
        return self.unet.parts.autoencoder

    def _diffused(self, tile: LatentTileOptions) -> Diffused:
        given = self.options
        return Diffused(self.autoencoder, over_base=given.is_residual, std=given.latent_std, tile=tile)

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

        Gradients go back through all steps, whose graph takes memory for each of them, unless ``torch.no_grad`` holds.

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
        check_rgb(lq, type(self).__name__)
        sampler = sampler or self.sampler
        drawing = sampler if seed is None else replace(sampler, seed=seed)
        words = styled(one_each(captions, len(lq)), TokenBudget(style=self.options.style))

        def some(of: slice, tile: LatentTileOptions) -> Tensor:
            with noise_spaced(self.autoencoder.factor):
                return self._sample(lq[of], words[of], drawing, tile)

        side = -(-self.upscale * max(lq.shape[-2:]) // self.autoencoder.factor)
        return self._fit(some, count=len(lq), side=side, tile=self.latent_tile)

    def _sample(self, lq: Tensor, captions: Sequence[str], sampler: SamplerOptions, tile: LatentTileOptions) -> Tensor:
        """Sample as :meth:`forward` does, from the seed of ``sampler``, over tiles, with captions as they are."""
        autoencoder, given = self.autoencoder, self.options
        image, parts = self.image_of(pad_to_multiple(lq, self.size_multiple), seed=sampler.seed), self.unet.parts
        with self._brought(parts.text, lq):
            steering = self.unet.steering(self.unet.stem(image).features, captions, negative=given.negative)
        shape = (autoencoder.channels, *(side // autoencoder.factor for side in image.shape[-2:]))
        noise = noise_of(shape, seed=sampler.seed, keys=()).to(lq.device)
        diffused = self._diffused(tile)
        with self._brought(autoencoder, lq):
            expected = diffused.expected(image)
        with self._brought(parts.unet, lq):
            latents = sample_steered(
                self.unet,
                steering,
                noise.expand(len(lq), *shape),
                schedule=self.schedule,
                sampler=sampler,
                tile=tile,
                accelerator=self.accelerator,
                expected=expected,
                strength=given.strength,
            )
        with self._brought(autoencoder, lq):
            sr = crop(diffused.image(latents, image), *(self.upscale * side for side in lq.shape[-2:]))
        return corrected(sr, lq, kind=given.correction, scale=self.upscale)

    def _brought(self, module: nn.Module, lq: Tensor) -> AbstractContextManager[None]:
        """Have a part that may wait on the CPU where the images are."""
        return brought(module, lq.device, waits=self.options.cpu_offload)

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
            draw: Gives the random numbers, on the device of the images: ``draw("t", (B,))`` and ``draw("base", (1,))``
                uniform ones in [0, 1); ``draw("noise", shape)`` and what :meth:`further_losses` asks for normal ones.

        Returns:
            ``l_noise``: mean squared error of the prediction; ``l_rgb``: L1 of the stem's images to the HR image, if it
            gives any; those of :meth:`further_losses`. Those of ``teaching`` for a student.
        """
        check_rgb(lq, type(self).__name__)
        batch = self._noised(lq, gt, captions, draw)
        if (taught := self.teaching) is not None:
            known = (self.unet, batch.latents, batch.t, batch.steering)
            return taught.losses(*known, image=batch.image, captions=captions, draw=draw)
        prediction = self.unet.predict(batch.latents, batch.t, batch.steering)
        target = self.schedule.target(batch.clean, batch.noise, batch.t)
        losses = OrderedDict(l_noise=F.mse_loss(prediction.float(), target.float()))
        if batch.stem.images:
            losses["l_rgb"] = image_loss(batch.stem.images, batch.hr)
        losses.update(self.further_losses(batch, image_ids=image_ids, draw=draw))
        return losses

    def _noised(self, lq: Tensor, gt: Tensor, captions: Sequence[str] | None, draw: Draw) -> NoisedBatch:
        multiple = self.size_multiple
        image = self.image_of(pad_to_multiple(lq, multiple), seed=int(2**31 * float(draw("base", (1,)))))
        hr = pad_to_multiple(gt, multiple * self.upscale)
        stem = self.unet.stem(image)
        clean = self._diffused(self.latent_tile).of(hr, image)
        noise = draw("noise", tuple(clean.shape))
        t = (draw("t", (clean.shape[0],)) * self.schedule.steps).long().clamp(max=self.schedule.steps - 1)
        return NoisedBatch(
            image=image,
            hr=hr,
            stem=stem,
            clean=clean,
            noise=noise,
            t=t,
            latents=self.schedule.noised(clean, noise, t),
            steering=self.unet.steering(stem.features, captions),
        )

    def _frozen(self) -> dict[str, KeepsFrozenOut]:
        return {"frozen": self.unet.parts}

    @property
    def description(self) -> dict[str, Any]:
        """Scale, what is diffused, what is trained, and the noise schedule."""
        return _described(self.options, self.schedule)


def _described(options: LatentDiffusionOptions, schedule: NoiseSchedule) -> dict[str, Any]:
    return {**options.description, **asdict(schedule.options)}
