"""BasicSR's logger, whose first user decides where a run is logged."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def basicsr_not_set_up() -> Iterator[None]:
    """Undo what a block does to BasicSR's logger: once ``get_root_logger()`` was called, a run gets no log file."""
    from basicsr.utils import logger as setup

    logger, known = logging.getLogger("basicsr"), dict(setup.initialized_logger)
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    try:
        yield
    finally:
        setup.initialized_logger.clear()
        setup.initialized_logger.update(known)
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)
