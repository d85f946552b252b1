"""Doing once, on something small, what a run would do later, so that its exceptions become problems now."""

import contextlib
import warnings
from collections.abc import Iterator

from segsr_arch.config.problems import Problems
from segsr_arch.errors import first_line
from segsr_arch.running.logs import basicsr_not_set_up


@contextlib.contextmanager
def reported(problems: Problems, path: str, what: str) -> Iterator[None]:
    """Turn any exception of a block into a problem; warnings are left for the run itself.

    Args:
        problems: Where problems go.
        path: Key path of the options that are tried.
        what: What could not be done (``cannot be built``).
    """
    try:
        with warnings.catch_warnings(), basicsr_not_set_up():
            warnings.simplefilter("ignore")
            yield
    except MemoryError:
        raise
    except Exception as error:  # foreign classes raise any kind about their arguments; all would end the run
        problems.add(path, f"{what} ({first_line(error)})")
