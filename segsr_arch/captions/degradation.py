"""Change captions by rule, from how an image was degraded: words that are true, without a model that looks."""

import math

import numpy as np

# Below which standard deviation, in HR pixels and in grey levels of 255, a word is said.
_BLUR = ((1.0, "almost sharp"), (2.0, "slightly blurred"), (3.0, "blurred"), (math.inf, "very blurred"))
_NOISE = ((5.0, "clean"), (12.0, "slightly noisy"), (19.0, "noisy"), (math.inf, "very noisy"))


def degradation_caption(kernel: np.ndarray, noise: float) -> str:
    """Say how an image was degraded, and what it is to become.

    Args:
        kernel: Blur (k, k) in HR pixels; said is the root mean of its variances along both axes.
        noise: Standard deviation in grey levels of 255.
    """
    offsets = np.arange(len(kernel)) - (len(kernel) - 1) / 2
    shares = kernel / kernel.sum()
    width = math.sqrt(0.5 * float((shares * (offsets[:, None] ** 2 + offsets[None, :] ** 2)).sum()))
    return f"from {_word(_BLUR, width)} and {_word(_NOISE, noise)} to sharp and clean"


def _word(steps: tuple[tuple[float, str], ...], value: float) -> str:
    return next(word for limit, word in steps if value < limit)
