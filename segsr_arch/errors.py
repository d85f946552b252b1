"""Errors that this package raises on purpose.

Every one derives from :class:`SegsrError` and from the builtin that a caller would expect, so both
``except SegsrError`` and ``except ValueError`` work. Messages name the file or key at fault and say what to do.
"""


class SegsrError(Exception):
    """Root of all errors raised on purpose by this package."""


class ConfigError(SegsrError, ValueError):
    """An option file, an option in it, or a constructor argument is wrong."""


class DataError(SegsrError, ValueError):
    """Images, LMDBs, split lists or folders are missing, broken or do not fit together."""


class WeightsError(SegsrError, RuntimeError):
    """Weights of a vision-language model cannot be had, read, or do not fit the architecture."""


class CheckpointError(SegsrError, RuntimeError):
    """A checkpoint is broken, unsafe, or belongs to another network."""


class WeightsFileError(WeightsError, CheckpointError):
    """A file of weights, of whatever network, is damaged, unsafe, or no file of weights."""


class UnsafeWeightsError(WeightsFileError):
    """The file holds more than tensors and plain values; reading it could run code."""


class SaveError(SegsrError, OSError):
    """A file could not be written; what was there before is intact."""


class InUseError(SegsrError, RuntimeError):
    """Another process writes where this one is to write; the message names it."""


class DivergenceError(SegsrError, ArithmeticError):
    """The training loss is no longer a finite number."""


class NotEnoughMemoryError(SegsrError, MemoryError):
    """Memory of the machine or of a GPU does not suffice; the message says for what, and which option to change."""


class DependencyError(SegsrError, ImportError):
    """A package that is needed here is not installed; the message holds the pip command."""


class ValidationError(SegsrError, RuntimeError):
    """A validation or test failed at an image, which the message names."""


def own_words(error_class: type[SegsrError], message: object) -> str:
    """Take our own words out of a message: a DataLoader makes a worker's exception anew from its printed traceback."""
    return str(message).rpartition(f"{error_class.__name__}: ")[2].strip()


def first_line(error: BaseException, *, longest: int | None = None) -> str:
    """The first line of an error's message, after the name of its class unless it is one of this package.

    Args:
        error: The error.
        longest: How many characters of the line are given; all if it is ``None``.
    """
    text = next(iter(str(error).splitlines()), "no further explanation")[:longest]
    return text if isinstance(error, SegsrError) else f"{type(error).__name__}: {text}"
