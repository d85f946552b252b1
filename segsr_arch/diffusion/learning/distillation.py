"""What a student of guidance is trained by: a frozen teacher that is run with words and without (Meng et al. 2023)."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from segsr_arch.diffusion.steering.guidance import guided_from
from segsr_arch.diffusion.steering.steered_unet import SteeredUNet, Steering

# The weight beyond 1 from which an error counts as a share of what guidance changes; below, as if it were this one.
_LEAST_GUIDANCE = 0.5
# What words change of a prediction, as a share of its mean square, below which it is rounding: a hundred thousandth of
# its size. A batch need not give equal numbers for equal images.
_ROUNDING = 1e-10


def share_of_guidance(distance: Tensor, weights: Tensor) -> Tensor:
    """Bring squared distances at any weight to one scale: the square of what guidance changes at weight 2.

    Taken as it is, the distance at large weights would be all that is learned, and at small ones the student were worse
    than without guidance.

    Args:
        distance: Of the student to the teacher's two branches, (B,).
        weights: Of the guidance, (B,).
    """
    return distance / ((weights - 1).square() + _LEAST_GUIDANCE**2)


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
        image: Tensor,
        captions: Sequence[str] | None,
        draw: Callable[[str, tuple[int, ...]], Tensor],
    ) -> OrderedDict[str, Tensor]:
        """Compare a student with its teacher.

        Args:
            student: Is told the weight and run once.
            noised: Latents (B, C, h, w).
            t: Time steps (B,).
            steering: What steers the student.
            image: What steers (B, 3, H, W), from which the teacher makes its own steering.
            captions: B captions; ``None`` for none.
            draw: ``draw("guidance", (B,))`` gives uniform numbers in [0, 1), on the device of the latents.

        Returns:
            ``l_guidance``: squared distance to the teacher's two branches, as a share of what guidance changes there,
            which rises with the weight (:func:`share_of_guidance`). Where words change nothing: the distance.
        """
        weights = self._least + (self._most - self._least) * draw("guidance", (len(noised),))
        with torch.no_grad():
            known = self._teacher.steering(self._teacher.stem(image).features, captions)
            conditional, unconditional = (branch.float() for branch in self._teacher.branches(noised, t, known))
            guided = guided_from(conditional, unconditional, weights)
            change = (conditional - unconditional).square().mean()
            words_count = known.differs.any() & (change > _ROUNDING * conditional.square().mean())
        distance = (student.predict_guided(noised, t, steering, weights).float() - guided).square().mean((1, 2, 3))
        counted = share_of_guidance(distance, weights).mean()
        return OrderedDict(l_guidance=counted / torch.where(words_count, change, 1.0))
