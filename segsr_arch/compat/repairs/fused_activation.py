"""StyleGAN2 runs where BasicSR's CUDA extension is not compiled, on the CPU above all.

Symptom: "name 'fused_act_ext' is not defined".
Cause: ``fused_leaky_relu`` knows the extension alone.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import functional

from segsr_arch.compat.patching import wrap_stock


def repair() -> bool:
    """Compute the activation with torch's own operations where the extension cannot."""
    from basicsr.ops.fused_act import fused_act

    compiled = hasattr(fused_act, "fused_act_ext")

    def wrap(stock: Callable[..., Any]) -> Callable[..., Any]:
        def fused_leaky_relu(input: Tensor, bias: Tensor, negative_slope: float = 0.2, scale: float = 2**0.5) -> Tensor:
            if compiled and input.is_cuda:
                activated: Tensor = stock(input, bias, negative_slope, scale)
                return activated
            bias = bias.reshape(1, -1, *[1] * (input.dim() - 2))
            return scale * functional.leaky_relu(input + bias, negative_slope)

        return fused_leaky_relu

    return wrap_stock(fused_act, "fused_leaky_relu", wrap, uses=("FusedLeakyReLUFunction",))
