"""What commands print: names of files and methods cannot act on the terminal, or fail to be written to it."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from segsr_arch.replacing import replaced
from segsr_arch.text import printable

_CURSOR_UP = "\x1b[A"  # written alone, by progress bars below others


class EscapingStream:
    """A text stream that writes control characters as escapes, and so what its encoding lacks.

    Line ends and tabs stay; a carriage return stays at the start of what is written, where progress bars have it.

    Args:
        stream: Where the text goes; everything but writing is left to it.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text; returns the number of its characters."""
        if text != _CURSOR_UP:
            start = "\r" if text.startswith("\r") else ""
            shown = start + printable(text[len(start) :], keep="\n\t")
            encoding = self._stream.encoding or "utf-8"
            text = shown.encode(encoding, errors="backslashreplace").decode(encoding)
        self._stream.write(text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def escaped_output() -> Iterator[None]:
    """Let everything that a block or function prints pass through :class:`EscapingStream`."""
    with (
        replaced(sys, "stdout", EscapingStream(sys.stdout)),
        replaced(sys, "stderr", EscapingStream(sys.stderr)),
    ):
        yield
