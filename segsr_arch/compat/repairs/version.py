"""A basicsr whose source was copied and never installed.

Symptom: ``No module named 'basicsr.version'``.
Cause: ``version.py`` is written by the installation; ``basicsr`` or its log imports it nevertheless.
"""

import re
import sys
from types import ModuleType

from segsr_arch.compat.installation import VERSION_MODULE, find_installation


def repair() -> bool:
    """Put a module with the version in its place, if it is missing."""
    used = find_installation()
    if VERSION_MODULE in sys.modules or (used.folder / "version.py").is_file():
        return False
    module = ModuleType(VERSION_MODULE, "Stands in for the file that the installation of basicsr writes.")
    numbers = tuple(map(int, re.findall(r"[0-9]+", used.version or "")))
    vars(module).update(__version__=used.version or "unknown", __gitsha__="unknown", version_info=numbers)
    sys.modules[VERSION_MODULE] = module
    return True
