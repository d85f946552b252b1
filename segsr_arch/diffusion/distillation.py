"""What a student of guidance is trained by: a frozen teacher that is run with words and without (Meng et al. 2023)."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from segsr_arch.diffusion.steered_unet import SteeredUNet, Steering


class Teaching:
    """A teacher, which is no part of the network that learns from it, nor of its checkpoints.

    Args:
        teacher: Is frozen, and not changed otherwise; on the device of the student.
        weights: Least and largest weight of guidance to learn.
    """

    def __init__(self, teacher: SteeredUNet, *, weights: tuple[float, float]) -> None:
        self._teacher = teacher.eval().requires_grad_(False)
        self._least, self._most = weights

    def losses(
        self,
        student: SteeredUNet,
        noised: Tensor,
        t: Tensor,
        steering: Steering,
        *,
        enlarged: Tensor,
        captions: Sequence[str] | None,
        draw: Callable[[str, tuple[int, ...]], Tensor],
    ) -> OrderedDict[str, Tensor]:
        """Compare a student with its teacher.

        Args:
            student: Is told the weight and run once.
            noised: Latents (B, C, h, w).
            t: Time steps (B,).
            steering: What steers the student.
            enlarged: LR images at HR size, from which the teacher makes its own steering.
            captions: B captions; ``None`` for none.
            draw: ``draw("guidance", (B,))`` gives uniform numbers in [0, 1), on the device of the latents.

        Returns:
            ``l_guidance``: mean squared distance to the teacher's two branches.
        """
        weights = self._least + (self._most - self._least) * draw("guidance", (len(noised),))
        with torch.no_grad():
            known = self._teacher.steering(self._teacher.stem(enlarged).features, captions)
            guided = self._teacher.predict_guided(noised, t, known, weights)
        prediction = student.predict_guided(noised, t, steering, weights)
        return OrderedDict(l_guidance=F.mse_loss(prediction.float(), guided.float()))
