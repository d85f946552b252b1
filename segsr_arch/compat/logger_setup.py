"""BasicSR's logger, whose first user decides where a run is logged."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def basicsr_not_set_up() -> Iterator[None]:
    """Undo what a block does to BasicSR's logger.

    Once ``get_root_logger()`` was called, a later run in this process gets no log file, and what is logged goes to the
    stream that was ``sys.stderr`` then, which may have been closed since.
    """
    from basicsr.utils import logger as setup

    logger, known = logging.getLogger("basicsr"), dict(setup.initialized_logger)
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    try:
        yield
    finally:
        setup.initialized_logger.clear()
        setup.initialized_logger.update(known)
        for handler in set(logger.handlers).difference(handlers):
            handler.close()  # a log file; streams stay open
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)
