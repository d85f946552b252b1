"""Row 6: one LMDB environment for each folder in a process."""

import os
import weakref

from segsr_arch.compat.patching import is_stock

# Weak: an environment is closed when the last data set that reads it is gone.
_environments = weakref.WeakValueDictionary()


class SharedEnvironment:
    """A read handle on an LMDB folder that data sets share, and that survives fork and pickling.

    Args:
        path: LMDB folder.
        options: Keyword arguments for ``lmdb.open``. Those of the first handle on a folder count.
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
        import lmdb

        process = os.getpid()
        key = process, self.path, self.options["readonly"]
        environment = _environments.get(key)
        if environment is None:
            # A forked worker must not use its parent's environment, and cannot open the folder again before
            # it has closed its copy; that does not touch the parent's.
            for (owner, path, _), inherited in list(_environments.items()):
                if owner != process and path == self.path:
                    inherited.close()
            environment = _environments[key] = lmdb.open(self.path, **self.options)
        self._environment, self._process = environment, process

    def __getstate__(self):
        return {"path": self.path, "options": self.options}

    def __setstate__(self, state):
        self.__init__(**state)


def _init(self, db_paths, client_keys="default", readonly=True, lock=False, readahead=False, **kwargs):
    self.db_paths = [str(path) for path in db_paths] if isinstance(db_paths, list) else [str(db_paths)]
    keys = [client_keys] if isinstance(client_keys, str) else client_keys
    if len(keys) != len(self.db_paths):
        raise ValueError(f"LMDB: {len(self.db_paths)} folders, but {len(keys)} names for them: {keys}")
    options = {"readonly": readonly, "lock": lock, "readahead": readahead, **kwargs}
    self._client = {key: SharedEnvironment(path, options) for key, path in zip(keys, self.db_paths, strict=True)}


def repair_lmdb_sharing():
    """Share an LMDB folder among the data sets of a process.

    Cause: ``LmdbBackend.__init__`` opens its folders anew for each data set, and recent py-lmdb (3.0, not yet 1.4)
    lets a process have a folder open only once: ``lmdb.Error: already open in this process`` when train and val
    share one.

    Returns:
        True if it was stock.
    """
    from basicsr.utils.file_client import LmdbBackend

    if not is_stock(LmdbBackend.__init__, "lmdb", "open"):
        return False
    LmdbBackend.__init__ = _init
    return True
