"""``--force_yml section:key=value``: single options from the command line."""

from collections.abc import Sequence
from typing import Any

import yaml

from segsr_arch.config.problems import join_path
from segsr_arch.config.yaml_file import parse_scalar
from segsr_arch.errors import ConfigError
from segsr_arch.known_names import nearest_hint


def apply_overrides(opt: dict[str, Any], entries: Sequence[str]) -> dict[str, Any]:
    """Set options from texts such as ``train:optim_g:lr=1e-4``; changes ``opt`` in place.

    Values are read as YAML: numbers (``1e-4`` too), ``true``, ``~`` or ``none``, lists, mappings, else text. A new
    key may be set in a section that exists; whether it is known is for
    :func:`segsr_arch.config.check.check_options` to say.

    Args:
        opt: Options of a file.
        entries: Texts of the form ``section:key=value``.

    Returns:
        ``opt``.

    Raises:
        ConfigError: If a text has no ``=``, a section does not exist, or a value is not YAML.
    """
    for entry in entries:
        keys_text, equals, value_text = entry.partition("=")
        keys = [key.strip() for key in keys_text.split(":")]
        if not equals or not all(keys):
            raise ConfigError(f"--force_yml {entry!r}: expected section:key=value, such as train:optim_g:lr=1e-4")
        section: Any = opt
        for depth, key in enumerate(keys[:-1], start=1):
            if not isinstance(section.get(key), dict):
                known = [name for name, value in section.items() if isinstance(value, dict)]
                what = "is not a section" if key in section else "does not exist"
                raise ConfigError(
                    f"--force_yml {entry!r}: the section {join_path(*keys[:depth])} {what}{nearest_hint(key, known)}"
                )
            section = section[key]
        section[keys[-1]] = _parse_value(entry, value_text.strip())
    return opt


def _parse_value(entry: str, text: str) -> Any:
    if text.lower() == "none":  # as stock BasicSR reads it
        return None
    try:
        return parse_scalar(text)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or error
        raise ConfigError(f"--force_yml {entry!r}: the value is not YAML ({problem}); put text in quotes") from error
