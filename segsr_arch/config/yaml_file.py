"""Reading YAML as users mean it: UTF-8, ``1e-4`` is a number, no key twice, no code."""

import re
from pathlib import Path
from typing import Any

import yaml

from segsr_arch.errors import ConfigError

_EXPONENT = re.compile(r"[-+]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)[eE][-+]?\d+$")


class _Loader(yaml.SafeLoader):
    """Safe loader that reads 1e-4 as a number, as YAML 1.2 does, and refuses a key that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        lines: dict[str, int] = {}
        for key_node, _ in node.value:  # before << is merged in: what is merged may be overridden
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            line = key_node.start_mark.line + 1
            if key_node.value in lines and key_node.value != "<<":
                problem = (
                    f"the key {key_node.value!r} is there twice in one section (first in line {lines[key_node.value]})"
                )
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            lines[key_node.value] = line
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


def parse_scalar(text: str) -> Any:
    """Parse one value as an option file would.

    Args:
        text: YAML text, such as ``1e-4``, ``[1, 2]``, ``~`` or ``true``.

    Returns:
        The value.

    Raises:
        yaml.YAMLError: If it is not YAML.
    """
    return yaml.load(text, Loader=_Loader)


def read_options(path: str | Path) -> dict[str, Any]:
    """Read an option file.

    Args:
        path: YAML file.

    Returns:
        The options, nothing added.

    Raises:
        ConfigError: If the file is missing, a folder, empty, not UTF-8, not YAML, or not a mapping at its top. The
            message names file and line.
    """
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder, expected an option file (.yml)")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such option file (looked in {Path.cwd()})") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    try:
        options = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(f"{path}, line {mark.line + 1}, column {mark.column + 1}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML: {error}") from error
    if options is None:
        raise ConfigError(f"{path}: is empty")
    if not isinstance(options, dict):
        raise ConfigError(f"{path}: must be a mapping of keys (`name: ...`), got {type(options).__name__}")
    return options
