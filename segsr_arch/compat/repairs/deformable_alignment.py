"""BasicVSR++ is the same network on the CPU as on a GPU.

Symptom: its deformable alignment is left out, with a warning, where there is no GPU.
Cause: ``BasicVSRPlusPlus`` asks for one before it builds it; that convolution is torchvision's, which runs on the CPU.
"""

from collections.abc import Callable
from typing import Any

import torch

from segsr_arch.compat.patching import wrap_stock
from segsr_arch.replacing import replaced


def repair() -> bool:
    """Let it believe in a GPU while it is built."""
    from basicsr.archs.basicvsrpp_arch import BasicVSRPlusPlus

    def wrap(stock: Callable[..., None]) -> Callable[..., None]:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            with replaced(torch.cuda, "is_available", lambda: True):
                stock(self, *args, **kwargs)

        return __init__

    return wrap_stock(BasicVSRPlusPlus, "__init__", wrap, uses=("is_available",))
