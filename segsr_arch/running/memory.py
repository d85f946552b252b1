"""Where memory runs out: whether an error means that, trying with less, and saying what to change."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from segsr_arch.errors import NotEnoughMemoryError, SegsrError, first_line

_Result = TypeVar("_Result")

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
    torch: Any = sys.modules.get("torch")  # whoever has not imported it has none of its errors
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _WORDS)


def attempted(run: Callable[[], _Result]) -> tuple[_Result | None, str]:
    """Run something that memory may not suffice for.

    Args:
        run: It; any other error is passed on.

    Returns:
        What it gives, and an empty text; or ``None`` and what was said if memory did not suffice. What a GPU holds for
        later, which may be in pieces too small, has then been given back.
    """
    try:
        return run(), ""
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        complaint = first_line(error)
    # Not within the except block, where the error holds on to what was computed.
    if (torch := sys.modules.get("torch")) is not None:
        torch.cuda.empty_cache()  # does nothing where no GPU has been used
    return None, complaint


@contextlib.contextmanager
def telling_what_to_change(remedy: Callable[[], str]) -> Iterator[None]:
    """Say what to change where memory runs out in the block, unless that has been said.

    Args:
        remedy: Gives what memory did not suffice for, and what to change: the rest of a sentence, without its end.

    Raises:
        NotEnoughMemoryError: If memory runs out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, SegsrError) or not is_out_of_memory(error):
            raise
        raise NotEnoughMemoryError(f"memory does not suffice {remedy()} ({first_line(error)}).") from error
