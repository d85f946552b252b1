"""Text that comes from elsewhere: lists in any encoding, names that look alike, and names inside of our own output."""

import codecs
import os
import re
import unicodedata
from pathlib import Path
from typing import Any

from segsr_arch.errors import DataError

# Marks at the start of a file. That of UTF-32 begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_LINE_END = re.compile(r"\r\n|\n|\r")  # str.splitlines() also cuts at form feeds and U+2028, which names may hold
_UNSEEN = ("Cc", "Cs", "Zl", "Zp")
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_FORMULA = frozenset("=+-@\uff0b\uff0d\uff1d\uff20")
_NUMBERS = re.compile(r"(?:(?:^|\s+)[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?)+\s*", re.IGNORECASE | re.ASCII)
_ZEROS = 0.25


def printable(text: str, *, keep: str = "") -> str:
    r"""Write characters that would act instead of being seen as escapes.

    Control characters (a terminal's escape sequences begin with one), line separators, marks that turn the direction
    of writing, and bytes of file names that are no UTF-8. Letters of any script stay.

    Args:
        text: Any text, such as a file name.
        keep: Characters that stay, for instance ``\n`` in a text of several lines.

    Returns:
        The text with ``\x1b``, ``\u202e`` and the like in the place of such characters.
    """
    return "".join(
        character.encode("unicode_escape").decode() if character not in keep and _acts(character) else character
        for character in text
    )


def _acts(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN or character in _DIRECTIONS


def csv_cell(value: Any) -> Any:
    """Make a value one that a spreadsheet shows: a text on one line that is no formula; numbers stay numbers.

    Args:
        value: What the cell holds.

    Returns:
        A text with its control characters escaped, and an apostrophe in front if it would be read as a formula, which
        numbers with a sign are not; anything else unchanged.
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.strip() and text.lstrip()[0] in _FORMULA and not _NUMBERS.fullmatch(text) else text


def composed(name: str) -> str:
    """Give the form in which names are compared (NFC): macOS writes ``é`` as two characters, others as one."""
    return unicodedata.normalize("NFC", name)


def listed_name(name: str) -> str:
    """Give a name as lists hold it, so that it can be found again from a line of a list.

    Args:
        name: As it is on the disk or in a line of a list; parts are divided by slashes of either kind.

    Returns:
        One line: composed, forward slashes, without spaces around it or ``./`` in front; control characters and the
        like as ``%0A`` (not as :func:`printable` has them, since a backslash divides folders where lists come from).
    """
    name = composed(name.replace("\\", "/")).strip()
    while name.startswith("./"):
        name = name[2:]
    return "".join(_percent(character) if _acts(character) else character for character in name)


def _percent(character: str) -> str:
    code = ord(character) - 0xDC00 if "\udc80" <= character <= "\udcff" else ord(character)  # a byte of a file name
    return f"%{code:02X}" if code < 0x100 else f"%u{code:04X}"


def decode(data: bytes) -> str:
    """Decode a text file: UTF-8, UTF-16 or UTF-32, with a mark at its start or without, any line ends.

    Returns:
        The text without the mark.

    Raises:
        UnicodeError: If it is none of them; which other encoding it has cannot be told from the bytes.
    """
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding)
    # Most of what lists hold has one zero byte a character in UTF-16, always the first or always the second.
    even, odd = data[::2].count(0), data[1::2].count(0)
    if min(even, odd) == 0 and even + odd >= _ZEROS * max(1, len(data)):
        return data.decode("utf-16-be" if even else "utf-16-le")
    return data.decode("utf-8")


def read_text(path: str | os.PathLike[str], what: str) -> str:
    """Read a text file that people or other programs wrote.

    Args:
        path: The file.
        what: What it should be, with its article, for messages: ``a split list``.

    Raises:
        DataError: If it cannot be read, or is no text in UTF-8 or UTF-16.
    """
    try:
        return decode(Path(path).read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read as {what} ({error.strerror or error})") from error
    except UnicodeError as error:
        raise DataError(
            f"{path}: cannot be read as {what}: neither UTF-8 nor UTF-16 ({error}); save it as UTF-8"
        ) from error


def read_lines(path: str | os.PathLike[str], what: str) -> list[str]:
    """Read the lines of a text file as :func:`read_text`, without their ends; the first is line 1 of the file.

    Raises:
        DataError: See :func:`read_text`.
    """
    lines = _LINE_END.split(read_text(path, what))
    return lines[:-1] if lines[-1] == "" else lines


def duration(seconds: float) -> str:
    """Write seconds as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
