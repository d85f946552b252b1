"""Messages of this package go where BasicSR's go: to the screen and into the run's log file."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

from segsr_arch.text import printable


class _Escaping(logging.Filter):
    """Writes control characters, of file names for instance, as escapes: logs are read in terminals."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change one record in place; it always passes."""
        record.msg, record.args = printable(record.getMessage(), keep="\n\t"), ()
        return True


class _ToBasicSR(logging.Handler):
    """Hands records to BasicSR's logger once it is set up; before that, to the screen where nobody else listens."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        basicsr = logging.getLogger("basicsr")
        handlers = basicsr.handlers
        for handler in handlers:  # not the logger itself, which might pass the record on to the root as well
            if record.levelno >= max(handler.level, basicsr.level):  # it is silent in all processes but the first
                handler.handle(record)
        if not handlers and not logging.getLogger().handlers and record.levelno >= logging.WARNING:
            (logging.lastResort or logging.NullHandler()).emit(record)


def connect() -> logging.Logger:
    """Connect the logger ``segsr_arch`` to BasicSR's, once, and return it; what both write is escaped."""
    logger = logging.getLogger("segsr_arch")
    basicsr = logging.getLogger("basicsr")
    if not any(isinstance(each, _Escaping) for each in basicsr.filters):
        basicsr.addFilter(_Escaping())
    if logger.level == logging.NOTSET:  # or the root's level holds, which is above INFO
        logger.setLevel(logging.INFO)
    if not any(isinstance(handler, _ToBasicSR) for handler in logger.handlers):
        handler = _ToBasicSR()
        handler.addFilter(_Escaping())
        logger.addHandler(handler)
    return logger


@contextlib.contextmanager
def errors_only(*names: str) -> Iterator[None]:
    """Keep back what loggers, and those below them, say in a block, unless it is an error.

    Args:
        *names: Such as ``segsr_arch.semantics``, which warns where random weights are drawn.
    """
    levels = {logger: logger.level for logger in map(logging.getLogger, names)}
    for logger in levels:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)


@contextlib.contextmanager
def nothing_shown() -> Iterator[None]:
    """Keep back what a block warns of and what it prints."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def write_traceback(error: BaseException) -> None:
    """Write where an error came from into the log file of a run, if there is one, and not to the screen."""
    logger = logging.getLogger("basicsr")
    elsewhere = getattr(error, "details", "")  # in a worker process
    text = f"The run ended here.\n{elsewhere}" if elsewhere != str(error) else "The run ended here."
    place = (type(error), error, error.__traceback__)
    record = logger.makeRecord("segsr_arch", logging.ERROR, __file__, 0, text, (), place)
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(record)
