"""The parts of a latent diffusion model, from a folder, a hub or an inline configuration; most of them frozen."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from segsr_arch.diffusion.parts.autoencoders import Autoencoder
from segsr_arch.diffusion.parts.model_kinds import ModelKind
from segsr_arch.diffusion.parts.text import TextConditioning, TwinTextConditioning
from segsr_arch.freezing import FrozenIdentity, KeepsFrozenOut, state_digest


def _is_trained(trained: Sequence[str], name: str) -> bool:
    return name.partition(".")[0] in trained


class DiffusionParts(KeepsFrozenOut):
    """Autoencoder, text encoder and UNet; what is not trained is in no checkpoint, which has a digest of it.

    Args:
        autoencoder: Between images and latents.
        text: Text encoder, or both of them.
        unet: ``UNet2DConditionModel`` of diffusers.
        schedule: Configuration of the noise schedule, see
            :meth:`~segsr_arch.diffusion.samplers.schedule.NoiseSchedule.of`.
        name: Of the model, for messages and checkpoints.
        kind: What kind of model it is.
        source: Where the weights come from, see :class:`~segsr_arch.freezing.FrozenIdentity`.
        trains_unet: Whether the UNet is trained.

    Attributes:
        schedule: The configuration.
        kind: What kind of model it is.
    """

    frozen_noun = "diffusion model"
    frozen_remedy = "Give network_g the one that the checkpoint was trained with."

    def __init__(
        self,
        *,
        autoencoder: Autoencoder,
        text: TextConditioning | TwinTextConditioning,
        unet: Any,
        schedule: Mapping[str, Any],
        kind: ModelKind,
        name: str,
        source: str,
        trains_unet: bool,
    ) -> None:
        super().__init__()
        self.models = nn.ModuleDict({"autoencoder": autoencoder, "text": text, "unet": unet})
        self.schedule, self.kind = dict(schedule), kind
        is_trained = partial(_is_trained, ("unet",) if trains_unet else ())
        frozen = {key: value for key, value in self.models.state_dict().items() if not is_trained(key)}
        identity = FrozenIdentity(name=name, source=source, digest=state_digest(frozen))
        self.freeze("models", identity=identity, is_trained=is_trained)
        self.train(self.training)

    @property
    def autoencoder(self) -> Autoencoder:
        """Between images and latents."""
        part = self.models["autoencoder"]
        assert isinstance(part, Autoencoder)
        return part

    @property
    def text(self) -> TextConditioning | TwinTextConditioning:
        """Text encoder, or both of them."""
        part = self.models["text"]
        assert isinstance(part, (TextConditioning, TwinTextConditioning))
        return part

    @property
    def unet(self) -> Any:
        """``UNet2DConditionModel`` of diffusers."""
        return self.models["unet"]

    def train(self, mode: bool = True) -> "DiffusionParts":
        """Set the mode of what is trained; what is frozen stays in evaluation mode."""
        super().train(mode)
        for part in self.models.children():
            if not any(parameter.requires_grad for parameter in part.parameters()):
                part.eval()
        return self

    @property
    def device(self) -> torch.device:
        """Where the parts are."""
        return next(self.models["unet"].parameters()).device
