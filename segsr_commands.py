"""The console commands ``segsr`` and ``basicsr``: help, and what is wrong with the arguments, come at once.

Importing ``segsr_arch`` repairs BasicSR and registers everything. That takes seconds, and importing any of its modules
imports it first. So these commands put the package in its place without executing it, which lets the modules be
imported that parse arguments, and execute it when that is done. They lie beside the package for this reason alone.
"""

import importlib.util
import sys


def _put_package_in_place() -> None:
    spec = importlib.util.find_spec("segsr_arch")
    if spec is not None and "segsr_arch" not in sys.modules:
        sys.modules["segsr_arch"] = importlib.util.module_from_spec(spec)


def segsr() -> int:
    """Run ``segsr``; returns its exit code."""
    _put_package_in_place()
    from segsr_arch.cli.segsr import main

    return main()


def basicsr() -> None:
    """Run ``basicsr``, and end the process with its exit code."""
    _put_package_in_place()
    from segsr_arch.cli.basicsr import command

    command()
