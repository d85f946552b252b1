"""The data sets that ``segsr prepare`` knows: one file each, with one entry, and nothing elsewhere."""

import importlib
import pkgutil

from segsr_arch.preparation.data_set import REGISTERED

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

DATA_SETS = REGISTERED
"""All of them by name."""
