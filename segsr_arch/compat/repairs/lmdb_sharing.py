"""The data sets of a process share an LMDB folder; none is opened that was copied in part; keys have any letters.

Symptom: ``lmdb.Error: already open in this process`` when train and val share a folder; a process that ends with
SIGBUS; ``UnicodeEncodeError``.
Cause: ``LmdbBackend.__init__`` opens its folders anew for each data set, and recent py-lmdb (3.0, not yet 1.4) lets a
process have a folder open only once. A page behind the end of a file ends the process. ``get`` encodes keys as ASCII,
and names no file where pages are damaged.
"""

from typing import Any

from segsr_arch.compat.patching import replace_stock
from segsr_arch.errors import DataError
from segsr_arch.sources.lmdb_environments import SharedEnvironment


def repair() -> bool:
    """Share one environment for each folder, and leave the system's readahead on unless ``io_backend`` says not to."""
    from basicsr.utils.file_client import LmdbBackend

    if not replace_stock(LmdbBackend, "__init__", _init, uses=("lmdb", "open")):
        return False
    replace_stock(LmdbBackend, "get", _get, uses=("begin", "ascii"))
    return True


# BasicSR has readahead off, so that an image is fetched from a disk page by page: a value of 128 KiB in 32 reads, each
# waited for. With it on, LMDB's own default, the system fetches an image in one go, or a few.
def _init(
    self: Any,
    db_paths: Any,
    client_keys: Any = "default",
    readonly: bool = True,
    lock: bool = False,
    readahead: bool = True,
    **kwargs: Any,
) -> None:
    self.db_paths = [str(path) for path in db_paths] if isinstance(db_paths, list) else [str(db_paths)]
    keys = [client_keys] if isinstance(client_keys, str) else client_keys
    if len(keys) != len(self.db_paths):
        raise ValueError(f"LMDB: {len(self.db_paths)} folders, but {len(keys)} names for them: {keys}")
    options = {"readonly": readonly, "lock": lock, "readahead": readahead, **kwargs}
    self._client = {key: SharedEnvironment(path, options) for key, path in zip(keys, self.db_paths, strict=True)}


def _get(self: Any, filepath: Any, client_key: str) -> bytes | None:
    import lmdb

    key, environment = str(filepath), self._client[client_key]
    try:
        with environment.begin() as transaction:
            content: bytes | None = transaction.get(key.encode())
            return content
    except lmdb.Error as error:
        raise DataError(f"{key} in {environment.path}: cannot be read ({error}); copy the LMDB again") from error
