"""Classifier-free guidance of any weight in one evaluation of a network that has learned it from two.

Guidance runs a network with words, c, and without, u, and goes on to u + w (c - u) = c + (w - 1) (c - u) (Ho and
Salimans, Classifier-Free Diffusion Guidance, 2022). A student that is told w gives the same at once (Meng et al., On
Distillation of Guided Diffusion Models, 2023, stage one). It is told in one of two ways: the weight multiplies a second
output, of which the guided prediction is an exact linear function (``head``), or enters beside the time step
(``embedding``, as in that paper).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, get_args

from torch import Tensor, nn

from segsr_arch.diffusion.library import diffusers_library
from segsr_arch.errors import ConfigError

OnePass = Literal["head", "embedding"]
# Sines and cosines of a weight; of weights some tenths apart they differ.
_FREQUENCIES, _STRETCH = 256, 100.0


def guided_from(conditional: Tensor, unconditional: Tensor, weights: Tensor) -> Tensor:
    """Go from the prediction without words (B, C, h, w) by a weight (B,) in the direction of the one with words."""
    return unconditional + weights.view(-1, 1, 1, 1) * (conditional - unconditional)


class GuidanceHead(nn.Module):
    """Gives c and c - u from the UNet's last features: its own output, and that of a head which starts at zero.

    Args:
        unet: ``UNet2DConditionModel`` of diffusers.
    """

    def __init__(self, unet: Any) -> None:
        super().__init__()
        out = unet.conv_out
        self.difference = nn.Conv2d(out.in_channels, out.out_channels, out.kernel_size, padding=out.padding)
        nn.init.zeros_(self.difference.weight)
        nn.init.zeros_(self.difference.bias)  # type: ignore[arg-type]

    def forward(self, unet: Any, predict: Callable[[], Tensor], weight: Tensor) -> Tensor:
        """Predict with guidance.

        Args:
            unet: The UNet.
            predict: Runs it once, with words, and gives its prediction (B, C, h, w).
            weight: Of the guidance, (B,); 1 is the prediction itself.

        Returns:
            The guided prediction (B, C, h, w).
        """
        seen: list[Tensor] = []
        hook = unet.conv_out.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            prediction = predict()
        finally:
            hook.remove()
        difference: Tensor = self.difference(seen[-1])
        return prediction + (weight - 1).view(-1, 1, 1, 1) * difference

    def telling(self, unet: Any, weight: Tensor) -> AbstractContextManager[None]:
        """Let the encoder of the UNet be told a weight while the block runs: here, it is told none."""
        return nullcontext()


class GuidanceEmbedding(nn.Module):
    """Tells the UNet the weight beside the time step, by a projection that starts at zero.

    It is what ``time_cond_proj_dim`` of diffusers adds to a UNet, whose projection starts at random.

    Args:
        unet: ``UNet2DConditionModel`` of diffusers.
    """

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.project = nn.Linear(_FREQUENCIES, unet.time_embedding.linear_1.in_features, bias=False)
        nn.init.zeros_(self.project.weight)

    def forward(self, unet: Any, predict: Callable[[], Tensor], weight: Tensor) -> Tensor:
        """Predict with guidance; see :meth:`GuidanceHead.forward`."""
        with self.telling(unet, weight):
            return predict()

    @contextmanager
    def telling(self, unet: Any, weight: Tensor) -> Iterator[None]:
        """Let the UNet, or its encoder alone, be told a weight (B,) while the block runs."""
        sines = diffusers_library().models.embeddings.get_timestep_embedding
        told = self.project(sines(_STRETCH * weight, _FREQUENCIES).to(self.project.weight.dtype))
        hook = unet.time_embedding.register_forward_pre_hook(lambda _, inputs: (inputs[0] + told, *inputs[1:]))
        try:
            yield
        finally:
            hook.remove()


def check_one_pass(kind: str | None) -> None:
    """Find out at once whether a way to be told the weight is known.

    Raises:
        ConfigError: If it is not.
    """
    if kind not in (None, *get_args(OnePass)):
        raise ConfigError(f"network_g: one_pass_guidance: must be head, embedding or null, got {kind!r}.")


def one_pass_guidance(kind: OnePass | None, unet: Any) -> GuidanceHead | GuidanceEmbedding | None:
    """Make what a student is told the weight by.

    Args:
        kind: ``head`` or ``embedding``; ``None`` for a network that is run twice.
        unet: ``UNet2DConditionModel`` of diffusers.
    """
    if kind is None:
        return None
    return GuidanceHead(unet) if kind == "head" else GuidanceEmbedding(unet)


def guidance_error(student: Tensor, guided: Tensor, conditional: Tensor) -> float:
    """How far a student is from two branches, as a share of what guidance changes.

    Args:
        student: Prediction in one pass (B, C, h, w).
        guided: Prediction of the teacher's two branches.
        conditional: Prediction of the teacher with words alone.

    Returns:
        Root mean square of the error over that of the guidance term: 0 is exact, 1 what no guidance at all has.
    """
    return float((student - guided).square().mean().sqrt() / (guided - conditional).square().mean().sqrt())
