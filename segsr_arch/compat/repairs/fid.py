"""FID is computed with scipy 1.18 and newer.

Symptom: "sqrtm() got an unexpected keyword argument 'disp'".
Cause: ``scipy.linalg.sqrtm`` has lost the argument with which it returned an error estimate, too.
"""

import inspect
from types import SimpleNamespace
from typing import Any

from segsr_arch.compat.patching import is_stock


def repair() -> bool:
    """Give BasicSR's module a ``sqrtm`` that takes it, if scipy's does not."""
    from basicsr.metrics import fid

    sqrtm = fid.linalg.sqrtm
    if "disp" in inspect.signature(sqrtm).parameters or not is_stock(fid.calculate_fid, "sqrtm"):
        return False

    def sqrtm_with_disp(matrix: Any, disp: bool = True) -> Any:
        root = sqrtm(matrix)
        return root if disp else (root, None)

    fid.linalg = SimpleNamespace(sqrtm=sqrtm_with_disp)
    return True
