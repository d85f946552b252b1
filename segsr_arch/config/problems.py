"""Collecting what is wrong with an option file, so that one run of the check names all of it."""

from collections.abc import Iterable

from segsr_arch.errors import ConfigError
from segsr_arch.known_names import nearest_hint

_NAMED_IMAGES = 3
# of what is printed: a file's keys and values may be of any length
_LONGEST_PATH, _LONGEST, _MOST_LINES = 200, 2000, 100


class Problems:
    """A growing list of problems, each with the path of its key.

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
        self.lines: list[str] = []
        self.notes: list[str] = []
        self.names_may_follow = names_may_follow

    def add(self, path: str, text: str) -> None:
        """Note one problem.

        Args:
            path: Key path with colons, as ``--force_yml`` writes it (``datasets:train:gt_size``).
            text: What is wrong and what to do.
        """
        line = f"{_cut(path, _LONGEST_PATH)}: {_cut(text, _LONGEST)}" if path else _cut(text, _LONGEST)
        if line not in self.lines:
            self.lines.append(line)

    def add_images(self, path: str, texts: list[str], what: str) -> None:
        """Note images that cannot be used: the first few one by one, the rest by number.

        Args:
            path: Key path of the data root.
            texts: Of each image, what is wrong with it.
            what: What they are, in the plural.
        """
        if self._passes_images:
            return
        for text in texts[:_NAMED_IMAGES]:
            self.add(path, text)
        if len(texts) > _NAMED_IMAGES:
            self.add(path, f"there are {len(texts) - _NAMED_IMAGES} more {what}")

    def unknown(self, path: str, name: str, known: Iterable[str], what: str = "unknown key") -> None:
        """Note a name that is not known, with the nearest one that is."""
        self.add(path, f"{what}{nearest_hint(name, known)}")

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
