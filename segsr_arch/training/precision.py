"""In which precision networks are trained where nobody says it."""

import torch


def fast_precision(device: torch.device) -> str | None:
    """``bf16`` if the processor computes in bfloat16 by itself; ``None`` (float32) if it would only imitate it."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else None
    asked = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("amx_tile", "avx512_bf16"))
    return "bf16" if any(ask is not None and ask() for ask in asked) else None
