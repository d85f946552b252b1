"""One LMDB environment for each folder in a process; py-lmdb refuses a second one."""

import os
import threading
import time
import weakref

from segsr_arch.compat.patching import is_stock
from segsr_arch.errors import DataError
from segsr_arch.sources.lmdb_reading import check_pages

# Weak: an environment is closed when the last data set that reads it is gone.
_environments = weakref.WeakValueDictionary()
_opening = threading.Lock()  # between the look at what is open and the opening
_CLOSING_SECONDS = 2.0


def _renew_lock():
    global _opening
    _opening = threading.Lock()  # a thread of the parent may have held it while this process was forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def _open_when_closed(path, options):
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

    def __init__(self, path, options):
        self.path = os.path.realpath(path)
        self.options = options
        self._environment = None
        self._process = None
        self._open()

    def begin(self, write=False):
        """Start a transaction, like ``lmdb.Environment.begin``."""
        if self._process != os.getpid():
            self._open()
        return self._environment.begin(write=write)

    def _open(self):
        with _opening:
            self._open_once()

    def _open_once(self):
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

    def __getstate__(self):
        return {"path": self.path, "options": self.options}

    def __setstate__(self, state):
        self.__init__(**state)


def stored_keys(folder):
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


# BasicSR has readahead off, so that an image is fetched from a disk page by page: a value of 128 KiB in 32 reads, each
# waited for. With it on, LMDB's own default, the system fetches an image in one go, or a few.
def _init(self, db_paths, client_keys="default", readonly=True, lock=False, readahead=True, **kwargs):
    self.db_paths = [str(path) for path in db_paths] if isinstance(db_paths, list) else [str(db_paths)]
    keys = [client_keys] if isinstance(client_keys, str) else client_keys
    if len(keys) != len(self.db_paths):
        raise ValueError(f"LMDB: {len(self.db_paths)} folders, but {len(keys)} names for them: {keys}")
    options = {"readonly": readonly, "lock": lock, "readahead": readahead, **kwargs}
    self._client = {key: SharedEnvironment(path, options) for key, path in zip(keys, self.db_paths, strict=True)}


def _get(self, filepath, client_key):
    import lmdb

    key, environment = str(filepath), self._client[client_key]
    try:
        with environment.begin() as transaction:
            return transaction.get(key.encode())
    except lmdb.Error as error:
        raise DataError(f"{key} in {environment.path}: cannot be read ({error}); copy the LMDB again") from error


def repair_lmdb_sharing():
    """Share an LMDB folder among the data sets of a process; open none that was copied in part; keys in any letters.

    Cause: ``LmdbBackend.__init__`` opens its folders anew for each data set, and recent py-lmdb (3.0, not yet 1.4)
    lets a process have a folder open only once: ``lmdb.Error: already open in this process`` when train and val
    share one. A page behind the end of a file ends the process (SIGBUS). ``get`` encodes keys as ASCII, and names no
    file where pages are damaged. The new one also leaves the system's readahead on, unless ``io_backend`` has
    ``readahead: false``.

    Returns:
        True if it was stock.
    """
    from basicsr.utils.file_client import LmdbBackend

    if not is_stock(LmdbBackend.__init__, "lmdb", "open"):
        return False
    LmdbBackend.__init__ = _init
    if is_stock(LmdbBackend.get, "begin", "ascii"):
        LmdbBackend.get = _get
    return True
