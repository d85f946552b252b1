"""A UNet that is steered by an LR image and by words: the one place where a denoising step is computed."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from segsr_arch.diffusion.parts.parts import DiffusionParts
from segsr_arch.diffusion.parts.text import Words, one_each
from segsr_arch.diffusion.steering.control import ControlEncoder, ControlStem
from segsr_arch.diffusion.steering.guidance import OnePass, guided_from, one_pass_guidance
from segsr_arch.diffusion.steering.pixel_attention import DecoderAttention
from segsr_arch.diffusion.steering.unet_halves import Encoded, decode, encode
from segsr_arch.windows import Window


@dataclass(frozen=True, kw_only=True, eq=False)
class Steering:
    """What steers the denoising of B images.

    Attributes:
        features: Of the LR image (B, C, h, w), at the size of the latents.
        text: Of B captions.
        silence: Of one text, which guidance leads away from: of no caption, or of what is not wanted.
        differs: Which captions may say something else, (B,) bool: told by the texts, because an encoder need not give
            equal numbers for a text that stands alone and for the same one in a batch.
    """

    features: Tensor
    text: Words
    silence: Words
    differs: Tensor

    @property
    def has_words(self) -> bool:
        """Whether any caption may say something else than silence."""
        return bool(self.differs.any())

    def at(self, window: Window) -> "Steering":
        """What steers a window of the latents."""
        return replace(self, features=self.features[(...,) + window.slices])

    def some(self, places: Tensor | slice) -> "Steering":
        """What steers some of the images, by their places in the batch."""
        return replace(self, features=self.features[places], text=self.text.some(places), differs=self.differs[places])

    def silent(self) -> "Steering":
        """The same with silence for words."""
        silence = self.silence.for_each(len(self.features))
        return replace(self, text=silence, differs=torch.zeros_like(self.differs))


class SteeredUNet(nn.Module):
    """Parts of a diffusion model with a ControlNet made from its UNet.

    Args:
        parts: The parts.
        pixel_attention: Whether the UNet's decoder attends to the features of the ControlNet.
        one_pass: How it is told the weight of guidance, if it is to learn or has learned it from two runs.
        told_side: Sides of images in pixels, as Stable Diffusion XL is told them, whatever they are; ``None`` tells it
            those of the window that it sees.
        shows: Whether the stem says what it takes the image for, to be trained by that.

    Attributes:
        computes_in: Type in which it computes under autocast; ``None`` leaves that to its caller.
    """

    def __init__(
        self,
        parts: DiffusionParts,
        *,
        pixel_attention: bool = False,
        one_pass: OnePass | None = None,
        told_side: int | None = None,
        shows: bool = True,
    ) -> None:
        super().__init__()
        self.parts, self._told_side = parts, told_side
        self.computes_in: torch.dtype | None = None
        channels = parts.unet.config.block_out_channels[0]
        self.stem = ControlStem(factor=parts.autoencoder.factor, channels=channels, shows=shows)
        self.control = ControlEncoder(parts.unet).requires_grad_(True)
        self.attention = DecoderAttention(parts.unet) if pixel_attention else None
        self.one_pass = one_pass_guidance(one_pass, parts.unet)
        if one_pass is not None:
            # A student is told nothing of these images, and under a launcher all that is trained must be reached.
            self.stem.heads.requires_grad_(False)

    def steering(self, features: Tensor, captions: Sequence[str] | None, *, negative: str = "") -> Steering:
        """Compute once for an image what every step reads.

        Args:
            features: What the stem makes of LR images at HR size, (B, C, h, w).
            captions: B captions; ``None`` for none.
            negative: What is not to be seen: guidance leads away from it instead of from no words.

        Raises:
            ConfigError: If there are more or fewer captions than images.
        """
        texts = one_each(captions, len(features))
        with self._computing(features):
            silence, text = self.parts.text([negative]), self.parts.text(texts)
        differs = torch.tensor([said.strip() != negative.strip() for said in texts], device=features.device)
        return Steering(features=features, text=text, silence=silence, differs=differs)

    def predict(self, latents: Tensor, t: Tensor, steering: Steering, encoded: Encoded | None = None) -> Tensor:
        """Run ControlNet and UNet once.

        Args:
            latents: Noised latents (B, C, h, w).
            t: Time steps (B,).
            steering: What steers them.
            encoded: What the encoder makes of all that, if it has run.

        Returns:
            What the schedule's ``target`` is, (B, C, h, w).
        """
        if encoded is None:
            encoded = self._encoded(latents, t, steering)
        return self._decoded(encoded, latents, t, steering)

    def encode_guided(self, latents: Tensor, t: Tensor, steering: Steering, weight: float | Tensor) -> Encoded:
        """Run the UNet's encoder with words, as :meth:`predict_guided` begins; arguments as there."""
        if self.one_pass is None:
            return self._encoded(latents, t, steering)
        with self._computing(latents), self.one_pass.telling(self.parts.unet, self._weights(weight, latents, steering)):
            return self._encoded(latents, t, steering)

    def _encoded(self, latents: Tensor, t: Tensor, steering: Steering) -> Encoded:
        added = self._added(steering.text, latents)
        with self._computing(latents):
            return encode(self.parts.unet, latents, t, steering.text.tokens, added=added)

    def _decoded(self, encoded: Encoded, latents: Tensor, t: Tensor, steering: Steering) -> Tensor:
        """Run the ControlNet, and what of the UNet comes behind its encoder."""
        added = self._added(steering.text, latents)
        unet = self.parts.unet
        with self._computing(latents):
            control = self.control(latents, t, steering.text.tokens, steering.features, added)
            attending = nullcontext() if self.attention is None else self.attention.attending(unet, control.levels)
            with attending:
                return decode(unet, encoded, down=control.down, middle=control.middle)

    def _computing(self, latents: Tensor) -> AbstractContextManager[Any]:
        """Compute in the type of its own, if it has one."""
        return (
            nullcontext() if self.computes_in is None else torch.autocast(latents.device.type, dtype=self.computes_in)
        )

    def predict_guided(
        self,
        latents: Tensor,
        t: Tensor,
        steering: Steering,
        weight: float | Tensor,
        encoded: Encoded | None = None,
    ) -> Tensor:
        """Run with words and without, and go further from the one in the direction of the other.

        Without words, or at a weight of one, there is nothing to tell apart, and one run does. It always does for a
        network that has learned guidance in one pass.

        Args:
            latents: Noised latents (B, C, h, w).
            t: Time steps (B,).
            steering: What steers them.
            weight: Of the guidance (Ho and Salimans 2022), one or (B,); 1 is the run with words alone.
            encoded: What :meth:`encode_guided` makes of all that, if it has run.
        """
        weights = self._weights(weight, latents, steering)
        if self.one_pass is not None:
            with self._computing(latents):
                guided: Tensor = self.one_pass(
                    self.parts.unet, lambda: self.predict(latents, t, steering, encoded), weights
                )
            return guided
        if not steering.has_words or bool((weights == 1).all()):
            return self.predict(latents, t, steering, encoded)
        return guided_from(*self.branches(latents, t, steering, encoded), weights)

    def branches(
        self, latents: Tensor, t: Tensor, steering: Steering, encoded: Encoded | None = None
    ) -> tuple[Tensor, Tensor]:
        """Run with words and without, as twice as many images; see :meth:`predict`.

        Returns:
            The predictions with words and without, (B, C, h, w) each.
        """
        both = replace(
            steering,
            features=steering.features.repeat(2, 1, 1, 1),
            text=steering.text.beside(steering.silent().text),
        )
        if encoded is not None:
            encoded = encoded.joined(self._encoded(latents, t, steering.silent()))
        conditional, unconditional = self.predict(latents.repeat(2, 1, 1, 1), t.repeat(2), both, encoded).chunk(2)
        return conditional, unconditional

    def _weights(self, weight: float | Tensor, latents: Tensor, steering: Steering) -> Tensor:
        """Weights of guidance (B,); a network of one pass is told 1 where words say nothing."""
        weights = torch.as_tensor(weight, dtype=latents.dtype, device=latents.device).expand(len(latents))
        if self.one_pass is None:
            return weights
        # image by image, so that none depends on whether another of the batch has words
        return torch.where(steering.differs, weights, 1.0)

    def _added(self, words: Words, latents: Tensor) -> dict[str, Tensor] | None:
        """What Stable Diffusion XL is told besides: texts as a whole, and sizes (height and width of the original, top
        and left of what is cut from it, height and width of the image); ``None`` for others.
        """
        if words.pooled is None:
            return None
        factor, told = self.parts.autoencoder.factor, self._told_side
        height, width = (told or factor * side for side in latents.shape[-2:])
        sizes = words.pooled.new_tensor([height, width, 0, 0, height, width])
        return {"text_embeds": words.pooled, "time_ids": sizes.expand(len(latents), -1)}
