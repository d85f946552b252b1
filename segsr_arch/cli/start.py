"""The package is imported whole once a command has parsed its arguments."""

import importlib

import segsr_arch


def import_whole_package() -> None:
    """Execute ``segsr_arch/__init__.py``, which repairs BasicSR and registers everything, if it was not.

    The console commands put it off: see ``segsr_commands.py``, beside the package.

    Raises:
        DependencyError: If basicsr is not installed, or the one that Python finds cannot be used.
    """
    if not hasattr(segsr_arch, "__version__"):
        importlib.reload(segsr_arch)
