"""BasicSR's own progress bars write a line every half minute where the output is no terminal.

Symptom: logs filled with bars.
Cause: in validations, extraction of features and making of LMDBs tqdm writes ten updates a second, wherever to.
"""

import importlib
import sys

from tqdm import tqdm

from segsr_arch.running.progress import bar_for_others

_MODULES = ("models", "utils.lmdb_util", "utils.download_util", "metrics.fid")


def repair() -> bool:
    """Put this package's bars in the place of ``tqdm`` in each module that uses it."""
    for name in _MODULES:
        importlib.import_module(f"basicsr.{name}")
    repaired = False
    for name, module in list(sys.modules.items()):
        if name.startswith("basicsr.") and vars(module).get("tqdm") is tqdm:
            vars(module)["tqdm"] = bar_for_others
            repaired = True
    return repaired
