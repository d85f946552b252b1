"""Letting BasicSR's ``parse_options`` complete options that have been read already."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from segsr_arch.replacing import replaced


def complete_options(
    opt: dict[str, Any], *, parse: Callable, source: str | os.PathLike, flags: Sequence[str] = (), is_train: bool
) -> tuple[dict[str, Any], argparse.Namespace]:
    """Let a ``parse_options`` of BasicSR do all it does, but with options that have been read already.

    It reads ``sys.argv``, opens the file in the locale's encoding, and evaluates ``--force_yml`` as code. It gets the
    plain arguments, and a YAML loader that has the options and does not look into the file. It seeds the random number
    generators, too.

    Args:
        opt: Options as read; changed in place.
        parse: BasicSR's function, ``basicsr.train.parse_options`` or ``basicsr.test.parse_options``.
        source: Option file; it must exist.
        flags: Further arguments, such as ``["--launcher", "pytorch"]``.
        is_train: Whether the run trains.

    Returns:
        The options with BasicSR's own keys, folders below the working directory, and the parsed arguments.
    """
    from basicsr.utils import options

    class Loader:
        def __init__(self, stream: Any) -> None:
            pass

        def get_single_data(self) -> dict[str, Any]:
            return opt

        def dispose(self) -> None:
            pass

    plain = ["basicsr", "-opt", os.fspath(source), *flags]
    with replaced(options, "ordered_yaml", lambda: (Loader, None)), replaced(sys, "argv", plain):
        return parse(os.getcwd(), is_train)
