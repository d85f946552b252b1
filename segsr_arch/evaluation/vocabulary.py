"""Terms that units are compared with, and the sentences that the terms are put into."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.text import composed, read_lines

DEFAULT_FILE = Path(__file__).with_name("land_cover.txt")
DEFAULT_TEMPLATES = (
    "a satellite photo of {}.",
    "an aerial photo of {}.",
    "a remote sensing image of {}.",
    "a photo of {} seen from above.",
)

# Class names of UC Merced and AID whose words the default vocabulary spells otherwise.
_SPELLINGS = {
    "agricultural": "agricultural field",
    "baseballfield": "baseball diamond",
    "denseresidential": "dense residential area",
    "mediumresidential": "medium residential area",
    "sparseresidential": "sparse residential area",
    "farmland": "agricultural field",
    "parking": "parking lot",
    "commercial": "commercial area",
    "industrial": "industrial area",
    "center": "city center",
}


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Terms and templates.

    Attributes:
        terms: At least two different terms.
        templates: Sentences with one ``{}`` each, where the term goes.
        source: Where the terms come from, for people.

    Raises:
        ConfigError: If there are fewer than two terms, or a template has not exactly one ``{}``.
    """

    terms: tuple[str, ...]
    templates: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        if len(self.terms) < 2:
            raise ConfigError(
                f"{self.source}: {len(self.terms)} term is no vocabulary: scores say which of several terms is nearer. "
                f"Give at least two."
            )
        for template in self.templates:
            if template.count("{}") != 1:
                raise ConfigError(
                    f"--template: {template!r} must contain {{}} exactly once, where the term goes, as in "
                    f'"{DEFAULT_TEMPLATES[0]}".'
                )

    @property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) over terms and templates, a line each: what scores depend on beside the weights."""
        lines = [*(f"term {term}\n" for term in self.terms), *(f"template {text}\n" for text in self.templates)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def sentences(self, term: str) -> list[str]:
        """Put a term into every template."""
        return [template.replace("{}", term) for template in self.templates]


def _compact(term: str) -> str:
    return re.sub(r"[\W_]", "", term.casefold())


def read_terms(path: str | Path) -> tuple[str, ...]:
    """Read a vocabulary file: one term a line; empty lines and lines that begin with ``#`` do not count.

    Args:
        path: The file.

    Returns:
        The terms in the order of the file.

    Raises:
        DataError: If the file is missing, not text, empty, or names a term twice.
    """
    try:
        lines = read_lines(path, "a vocabulary")
    except DataError as error:
        raise DataError(f"--vocabulary: {error}; give a text file with one term a line.") from error
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(lines, start=1):
        term = composed(" ".join(line.split()))
        if not term or term.startswith("#"):
            continue
        if not term.isprintable():
            raise DataError(f"--vocabulary: {path}, line {number}: holds characters that are not text ({term!r}).")
        key = term.casefold()
        if key in found:
            raise DataError(
                f"--vocabulary: {path}, line {number}: {term!r} stands in line {found[key][1]} already; remove one."
            )
        found[key] = (term, number)
    if not found:
        raise DataError(f"--vocabulary: {path} holds no term; write one a line (lines with # do not count).")
    return tuple(term for term, _ in found.values())


def words_of_class(name: str) -> str:
    """Write a class name in words: ``BareLand`` and ``bare_land`` become ``bare land``."""
    spelling = _SPELLINGS.get(_compact(name))
    if spelling is not None:
        return spelling
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|[\s_-]+", " ", name)
    return " ".join(spaced.split()).lower()


def build_vocabulary(
    *, path: str | Path | None, templates: Sequence[str] = DEFAULT_TEMPLATES, class_names: Iterable[str] = ()
) -> Vocabulary:
    """Put the vocabulary together.

    Args:
        path: Vocabulary file, which is taken as it is; ``None`` takes the default terms and the classes.
        templates: Sentences with one ``{}`` each.
        class_names: Classes of the data set; those that the default terms already hold, in whatever spelling, are
            not taken twice.

    Returns:
        The vocabulary.

    Raises:
        DataError: If the file is missing, not text, empty, or names a term twice.
        ConfigError: If there are fewer than two terms, or a template is wrong.
    """
    if path is not None:
        return Vocabulary(terms=read_terms(path), templates=tuple(templates), source=str(path))
    terms = {_compact(term): term for term in read_terms(DEFAULT_FILE)}
    count = len(terms)
    for name in sorted(set(class_names)):
        words = words_of_class(name)
        if words:
            terms.setdefault(_compact(words), words)
    added = f" and {len(terms) - count} classes of the data" if len(terms) > count else ""
    return Vocabulary(
        terms=tuple(terms.values()),
        templates=tuple(templates),
        source=f"classes of UC Merced and AID, and common land-cover terms{added}",
    )
