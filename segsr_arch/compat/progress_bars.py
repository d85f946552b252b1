"""BasicSR's own progress bars, which a log should not be filled with."""

import sys

from tqdm import tqdm

from segsr_arch.running.progress import progress

_MODULES = ("models", "utils.lmdb_util", "utils.download_util", "metrics.fid")


def _bar(*, total, unit, desc=None):
    """Take the place of ``tqdm`` in BasicSR; arguments as there."""
    return progress(total=total, unit=unit, what=desc)


def repair_progress_bars():
    """Let BasicSR's bars write a line every half minute where the output is no terminal.

    Cause: in validations, extraction of features and making of LMDBs tqdm writes ten updates a second into a log.

    Returns:
        True if BasicSR uses tqdm.
    """
    import importlib

    for name in _MODULES:
        importlib.import_module(f"basicsr.{name}")
    repaired = False
    for name, module in list(sys.modules.items()):
        if name.startswith("basicsr.") and vars(module).get("tqdm") is tqdm:
            module.tqdm = _bar
            repaired = True
    return repaired
