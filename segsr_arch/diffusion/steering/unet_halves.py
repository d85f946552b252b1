"""A UNet of diffusers run in two halves, so that what its encoder sees can be looked at before the rest is paid for.

Of one evaluation of Stable Diffusion 1.5 the encoder is .31, and the middle and the decoder .69; what a ControlNet adds
is needed by the second half alone. Run one after the other, the halves give what the UNet gives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """What the encoder of a UNet hands on.

    Attributes:
        deepest: Features before the middle (B, C, h', w'), which no ControlNet has touched.
        skips: Features that the decoder gets beside its own, from the first on.
        time: Embedding of the time step and of all else that is told beside it, (B, D).
        text: What is attended to, (B, L, D').
    """

    deepest: Tensor
    skips: tuple[Tensor, ...]
    time: Tensor
    text: Tensor

    def some(self, places: Tensor | slice) -> "Encoded":
        """Those of some images, by their places in the batch."""
        return Encoded(
            deepest=self.deepest[places],
            skips=tuple(skip[places] for skip in self.skips),
            time=self.time[places],
            text=self.text[places],
        )

    def joined(self, other: "Encoded") -> "Encoded":
        """These images, then those of another batch of the same size of latents."""
        return Encoded(
            deepest=torch.cat([self.deepest, other.deepest]),
            skips=tuple(torch.cat(pair) for pair in zip(self.skips, other.skips, strict=True)),
            time=torch.cat([self.time, other.time]),
            text=torch.cat([self.text, other.text]),
        )


def encode(
    unet: Any, latents: Tensor, t: Tensor, text: Tensor, *, added: Mapping[str, Tensor] | None = None
) -> Encoded:
    """Run the encoder.

    Args:
        unet: ``UNet2DConditionModel`` of diffusers.
        latents: Noised latents (B, C, h, w).
        t: Time steps (B,); they may lie between those of the schedule.
        text: What is attended to, (B, L, D).
        added: What the UNet is told beside the time step, as its ``added_cond_kwargs``; SDXL wants ``text_embeds`` and
            ``time_ids``.
    """
    told = dict(added or {})
    time = unet.time_embedding(unet.get_time_embed(sample=latents, timestep=t))
    further = unet.get_aug_embed(emb=time, encoder_hidden_states=text, added_cond_kwargs=told)
    if further is not None:
        time = time + further
    if unet.time_embed_act is not None:
        time = unet.time_embed_act(time)
    text = unet.process_encoder_hidden_states(encoder_hidden_states=text, added_cond_kwargs=told)
    features = unet.conv_in(2 * latents - 1.0 if unet.config.center_input_sample else latents)
    skips = [features]
    for block in unet.down_blocks:
        features, passed = block(hidden_states=features, temb=time, **_attended(block, text))
        skips.extend(passed)
    return Encoded(deepest=features, skips=tuple(skips), time=time, text=text)


def decode(unet: Any, encoded: Encoded, *, down: Sequence[Tensor], middle: Tensor) -> Tensor:
    """Run middle and decoder.

    Args:
        unet: The UNet that the encoder is of.
        encoded: What the encoder gave for B images.
        down: What a ControlNet adds to each skip connection.
        middle: What it adds to the middle.

    Returns:
        The prediction (B, C, h, w).
    """
    features, time, text = encoded.deepest, encoded.time, encoded.text
    skips = [skip + added for skip, added in zip(encoded.skips, down, strict=True)]
    if unet.mid_block is not None:
        features = unet.mid_block(features, time, **_attended(unet.mid_block, text))
    features = features + middle
    # Sides that cannot be halved as often as the encoder does were rounded up on the way down.
    uneven = any(side % 2**unet.num_upsamplers for side in encoded.skips[0].shape[-2:])
    for block in unet.up_blocks:
        count = len(block.resnets)
        skips, taken = skips[:-count], tuple(skips[-count:])
        features = block(
            hidden_states=features,
            temb=time,
            res_hidden_states_tuple=taken,
            upsample_size=skips[-1].shape[2:] if skips and uneven else None,
            **_attended(block, text),
        )
    if unet.conv_norm_out:
        features = unet.conv_act(unet.conv_norm_out(features))
    prediction: Tensor = unet.conv_out(features)
    return prediction


def _attended(block: Any, text: Tensor) -> dict[str, Tensor]:
    """What a block takes that attends to words."""
    return {"encoder_hidden_states": text} if getattr(block, "has_cross_attention", False) else {}
