"""The degradation by JPEG works with a recent OpenCV.

Symptom: ``imencode`` raises "wrong type".
Cause: ``random_add_jpg_compression`` draws a float for the quality; OpenCV takes whole numbers only.
"""

from collections.abc import Callable
from typing import Any

from segsr_arch.compat.patching import wrap_stock


def repair() -> bool:
    """Round the quality."""
    from basicsr.data import degradations

    def wrap(stock: Callable[..., Any]) -> Callable[..., Any]:
        return lambda img, quality=90: stock(img, round(float(quality)))

    return wrap_stock(degradations, "add_jpg_compression", wrap, uses=("imencode",))
