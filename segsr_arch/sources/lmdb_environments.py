"""One LMDB environment for each folder in a process; py-lmdb refuses a second one."""

import os
import threading
import time
import weakref
from typing import Any

from segsr_arch.errors import DataError
from segsr_arch.sources.lmdb_reading import check_pages

# Weak: an environment is closed when the last data set that reads it is gone.
_environments: weakref.WeakValueDictionary[tuple[int, str, bool], Any] = weakref.WeakValueDictionary()
_opening = threading.Lock()  # between the look at what is open and the opening
_CLOSING_SECONDS = 2.0


def _renew_lock() -> None:
    global _opening
    _opening = threading.Lock()  # a thread of the parent may have held it while this process was forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def _open_when_closed(path: str, options: dict[str, Any]) -> Any:
    """Open a folder that has all its pages, waiting for another thread that is just closing it."""
    import lmdb

    check_pages(path)
    deadline = time.monotonic() + _CLOSING_SECONDS
    while True:
        try:
            return lmdb.open(path, **options)
        except lmdb.Error as error:
            if "already open" not in str(error) or time.monotonic() > deadline:
                raise DataError(f"{path}: cannot be opened as an LMDB ({error}); copy it again") from error
        time.sleep(0.001)


class SharedEnvironment:
    """A read handle on an LMDB folder that data sets share, and that survives fork and pickling.

    Args:
        path: LMDB folder.
        options: Keyword arguments for ``lmdb.open``. Those of the first handle on a folder count.

    Raises:
        DataError: If the folder holds no LMDB, or one that is shorter than its pages.
    """

    def __init__(self, path: str | os.PathLike[str], options: dict[str, Any]) -> None:
        self.path = os.path.realpath(path)
        self.options = options
        self._environment: Any = None
        self._process: int | None = None
        self._open()

    def begin(self, write: bool = False) -> Any:
        """Start a transaction, like ``lmdb.Environment.begin``."""
        if self._process != os.getpid():
            self._open()
        return self._environment.begin(write=write)

    def _open(self) -> None:
        with _opening:
            self._open_once()

    def _open_once(self) -> None:
        process = os.getpid()
        key = process, self.path, self.options["readonly"]
        environment = _environments.get(key)
        if environment is None:
            # A forked worker must not use its parent's environment, and cannot open the folder again before
            # it has closed its copy; that does not touch the parent's.
            for (owner, path, _), inherited in list(_environments.items()):
                if owner != process and path == self.path:
                    inherited.close()
            environment = _environments[key] = _open_when_closed(self.path, self.options)
        self._environment, self._process = environment, process

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "options": self.options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        SharedEnvironment.__init__(self, **state)


def stored_keys(folder: str | os.PathLike[str]) -> list[str]:
    """Keys that an LMDB holds; their values are not read.

    Args:
        folder: The LMDB's folder.

    Returns:
        A list of texts, in the order of the LMDB.

    Raises:
        DataError: If it cannot be read.
    """
    import lmdb

    environment = SharedEnvironment(folder, {"readonly": True, "lock": False, "readahead": True})
    try:
        with environment.begin() as transaction:
            keys = list(transaction.cursor().iternext(keys=True, values=False))
    except lmdb.Error as error:
        raise DataError(f"{folder}: its keys cannot be read ({error}); copy the LMDB again") from error
    return [key.decode(errors="backslashreplace") for key in keys]
