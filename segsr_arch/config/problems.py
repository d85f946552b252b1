"""Collecting what is wrong with an option file, each at its place, so that one run of the check names all of it."""

import contextlib
import copy
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from segsr_arch.compat.logger_setup import basicsr_not_set_up
from segsr_arch.errors import ConfigError, SegsrError, first_line
from segsr_arch.known_names import nearest_hint

_NAMED_IMAGES = 3
# of what is printed: a file's keys and values may be of any length
_LONGEST_PATH, _LONGEST, _MOST_LINES = 200, 2000, 100


class Problems:
    """A growing list of problems, and a place in the option file that they are reported at.

    ``here = problems.at("val", name)`` reports into the same list at that place; ``here.ok`` tells whether it is right.

    Args:
        names_may_follow: Whether names that are not registered may be so later, by what ``imports:`` names.
        passes_images: Whether single images that cannot be used are no problem, because whoever runs with the options
            names them and goes on with the rest.

    Attributes:
        lines: One text per problem, ``section:key: what is wrong``.
        notes: What is right, but should be known.
        names_may_follow: As given.
    """

    def __init__(self, *, names_may_follow: bool = False, passes_images: bool = False) -> None:
        self._passes_images = passes_images
        self._place: tuple[str, ...] = ()
        self._wrong_places: list[tuple[str, ...]] = []
        self.lines: list[str] = []
        self.notes: list[str] = []
        self.names_may_follow = names_may_follow

    def at(self, *keys: Any) -> "Problems":
        """Go to a place below this one; what is reported there comes into the same list.

        Args:
            keys: Names of keys as they are in the option file, also such as are no text.
        """
        there = copy.copy(self)
        there._place = (*self._place, *map(str, keys))
        return there

    @property
    def path(self) -> str:
        """Key path of this place with colons, as ``--force_yml`` writes it (``datasets:train:gt_size``)."""
        return join_path(*self._place)

    @property
    def ok(self) -> bool:
        """Whether nothing has been reported at this place or below it."""
        depth = len(self._place)
        return not any(place[:depth] == self._place for place in self._wrong_places)

    def add(self, text: str) -> None:
        """Report one problem at this place.

        Args:
            text: What is wrong and what to do.
        """
        self._wrong_places.append(self._place)
        line = self._at_this_place(text)
        if line not in self.lines:
            self.lines.append(line)

    def note(self, text: str) -> None:
        """Note what is right at this place, but should be known."""
        self.notes.append(self._at_this_place(text))

    def add_images(self, texts: list[str], what: str) -> None:
        """Report images that cannot be used: the first few one by one, the rest by number.

        Args:
            texts: Of each image, what is wrong with it.
            what: What they are, in the plural.
        """
        if self._passes_images:
            return
        for text in texts[:_NAMED_IMAGES]:
            self.add(text)
        if len(texts) > _NAMED_IMAGES:
            self.add(f"there are {len(texts) - _NAMED_IMAGES} more {what}")

    def unknown(self, name: str, known: Iterable[str], what: str = "unknown key") -> None:
        """Report a name that is not known, with the nearest one that is."""
        self.add(f"{what}{nearest_hint(name, known)}")

    @contextlib.contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """Report any exception of a block here; it does once, on something small, what a run would do later.

        Warnings are left for the run itself.

        Args:
            what: What could not be done (``cannot be built``).
        """
        try:
            with warnings.catch_warnings(), basicsr_not_set_up():
                warnings.simplefilter("ignore")
                yield
        except MemoryError:
            raise
        except Exception as error:  # foreign classes raise any kind about their arguments; all would end the run
            self.add(f"{what} ({first_line(error)})")

    @contextlib.contextmanager
    def refusals(self) -> Iterator[None]:
        """Report here what this package refuses in a block, in its own words."""
        try:
            yield
        except SegsrError as error:
            self.add(str(error).removeprefix(f"{self.path}: "))

    def _at_this_place(self, text: str) -> str:
        text = _cut(text, _LONGEST)
        return f"{_cut(self.path, _LONGEST_PATH)}: {text}" if self.path else text

    def raise_if_any(self, source: str) -> None:
        """Raise one error that lists everything.

        Args:
            source: File that the options came from, for the message.

        Raises:
            ConfigError: If there is at least one problem.
        """
        if self.lines:
            count = f"{len(self.lines)} problem{'s' if len(self.lines) > 1 else ''}"
            lines = self.lines[:_MOST_LINES]
            if len(self.lines) > _MOST_LINES:
                lines.append(f"and {len(self.lines) - _MOST_LINES} more")
            raise ConfigError(f"{source}: {count}\n" + "\n".join(f"  - {line}" for line in lines))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."


def join_path(*parts: str) -> str:
    """Join key names to a path (``datasets:train``); empty parts are left out."""
    return ":".join(part for part in parts if part)
