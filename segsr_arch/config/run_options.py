"""The options of a run: an option file, changes of the command line, and the weights that have a name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segsr_arch.config.overrides import apply_overrides
from segsr_arch.config.yaml_file import read_options
from segsr_arch.named_models.folders import with_weights


def read_run_options(path: str | Path, changes: Sequence[str] = ()) -> dict[str, Any]:
    """Read an option file as a run takes it.

    Args:
        path: The file.
        changes: As for ``--force_yml``; see :func:`~segsr_arch.config.overrides.apply_overrides`.

    Returns:
        The options, paths of weights instead of ``segsr://NAME``.

    Raises:
        ConfigError: If the file cannot be read, a change is wrong, or there is no network of a name.
        WeightsFileError: If the weights of a name are missing or damaged.
    """
    return with_weights(apply_overrides(read_options(path), changes), beside=Path(path))
