"""Whether an error means that a device has no memory left, and giving back what is kept for later."""

import torch

# What torch's allocator on the CPU, cuBLAS and cuDNN, onnxruntime and OpenVINO say, in small letters.
_WORDS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "alloc_failed",
    "failed to allocate memory",
    "bad_alloc",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether less at once could help; on the CPU torch has no class of its own for it."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _WORDS)


def give_back_memory() -> None:
    """Give back what torch keeps of a GPU's memory, which may be in pieces too small."""
    torch.cuda.empty_cache()  # does nothing where no GPU has been used
