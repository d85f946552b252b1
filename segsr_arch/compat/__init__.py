"""Repairs of stock BasicSR 1.4.2, from outside: the only place that touches it.

Each file in :mod:`~segsr_arch.compat.repairs` is one repair; its name is that of the file. It is applied once, and only
while the broken function is still there, whatever the version: programs of this field bring copies of other ones, some
of them mended, most of them cut down to what they use. A mended function stays, one that is not there needs no repair.
"""

import importlib
import pkgutil
import warnings
from collections.abc import Callable

from segsr_arch.compat import repairs
from segsr_arch.compat.installation import VERSION, Installation, describe_another, find_installation, importing_from

_FIRST = ("functional_tensor", "version")  # basicsr cannot be imported without them; the others go by their names


def _find_repairs() -> dict[str, Callable[[], bool]]:
    found = sorted(
        (module.name for module in pkgutil.iter_modules(repairs.__path__)), key=lambda name: (name not in _FIRST, name)
    )
    return {name: importlib.import_module(f"{repairs.__name__}.{name}").repair for name in found}


REPAIRS = _find_repairs()

_status: dict[str, bool] = {}


def apply() -> list[str]:
    """Repair BasicSR in this process; later calls do nothing.

    Returns:
        Names of the repairs that were applied in this process: keys of ``REPAIRS``, less those that were not needed.

    Raises:
        DependencyError: If basicsr is not installed, or the one that Python finds cannot be used.
    """
    if not _status:
        used = find_installation()
        with importing_from(used):
            applied = {name: _applied(repair, used) for name, repair in REPAIRS.items()}
        _status.update(applied)
        left_out = [name for name in REPAIRS if not applied[name]]
        text = describe_another(used, repairs=_names_applied(), left_out=left_out)
        if text:
            warnings.warn(text, RuntimeWarning, stacklevel=2)
    return _names_applied()


def _applied(repair: Callable[[], bool], used: Installation) -> bool:
    """Apply a repair; one for a part that another version lacks is not needed there."""
    if used.version == VERSION:
        return repair()
    try:
        return repair()
    except AttributeError:
        return False
    except ImportError as error:
        if f"{error.name}.".startswith("basicsr."):
            return False
        raise


def _names_applied() -> list[str]:
    return [name for name, applied in _status.items() if applied]


def status() -> dict[str, bool]:
    """What became of each repair: its name, and whether it was applied (empty before :func:`apply`)."""
    return dict(_status)
