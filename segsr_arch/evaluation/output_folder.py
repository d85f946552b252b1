"""An output folder that is either whole or not there; what was there before is kept under another name."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from segsr_arch.errors import SaveError
from segsr_arch.files.atomic import partial_folder


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Fill a folder beside its place and give it its name when the block has ended; after an error it is removed.

    A folder that has the name already is renamed to ``<name>_archived_<time>``, as BasicSR does with experiments.
    The caller holds the lock of what lies there (:func:`segsr_arch.files.locking.locked`).

    Args:
        path: Where the folder is to be; folders above it are made.

    Yields:
        An empty folder to write to.

    Raises:
        SaveError: If the folder cannot be made or renamed.
    """
    with partial_folder(path) as partial:
        yield partial
        try:
            if path.exists():
                path.rename(_free_name(path.with_name(f"{path.name}_archived_{time.strftime('%Y%m%d_%H%M%S')}")))
            partial.rename(path)
        except OSError as error:
            raise SaveError(f"{path}: cannot take its name ({error.strerror}); choose another folder.") from error


def _free_name(path: Path) -> Path:
    number, free = 2, path
    while free.exists():
        free, number = path.with_name(f"{path.name}_{number}"), number + 1
    return free
