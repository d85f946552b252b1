"""Reading YAML as users mean it: UTF-8, ``1e-4`` is a number, a date is text, no key twice, no code, no bombs."""

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from segsr_arch.config.problems import join_path
from segsr_arch.config.yaml_extent import check_extent
from segsr_arch.errors import ConfigError

_EXPONENT = re.compile(r"[-+]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)[eE][-+]?\d+$")
_PREFIX = "tag:yaml.org,2002:"
_MERGE = f"{_PREFIX}merge"
_KINDS = {"str": "text", "int": "a number", "float": "a number", "bool": "true or false", "null": "nothing"}
_KINDS = {f"{_PREFIX}{name}": kind for name, kind in _KINDS.items()}
_SECTIONS = (f"{_PREFIX}map", f"{_PREFIX}seq")


class _Loader(yaml.SafeLoader):
    """Safe loader that reads 1e-4 as a number and a date as text, as YAML 1.2 does."""

    yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in resolvers if tag != f"{_PREFIX}timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def get_single_node(self) -> yaml.Node | None:
        """Compose the document and check it, so that what is wrong is named before anything is made of it."""
        node = super().get_single_node()
        if node is not None:
            self._check(node, "", set())
        return node

    def _check(self, node: yaml.Node, path: str, seen: set[int]) -> None:
        if id(node) in seen:  # an alias
            return
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            self._check_scalar(node, path)
        elif node.tag not in _SECTIONS:
            _refuse(node, path, f"{_tag(node)} is not read in option files; write a list or a section of keys")
        elif isinstance(node, yaml.SequenceNode):
            for entry in node.value:
                self._check(entry, path, seen)
        elif isinstance(node, yaml.MappingNode):
            self._check_section(node, path, seen)

    def _check_scalar(self, node: yaml.ScalarNode, path: str) -> None:
        if node.tag not in _KINDS:
            _refuse(node, path, f"{_tag(node)} is not read in option files; write text, a number, true, false or ~")
        try:
            self.construct_object(node)
        except (ValueError, KeyError, OverflowError):
            _refuse(node, path, f"{node.value[:40]!r} is not {_KINDS[node.tag]}; put it in quotes if it is text")

    def _check_section(self, section: yaml.MappingNode, path: str, seen: set[int]) -> None:
        lines: dict[str, int] = {}
        for key, value in section.value:  # before << is merged in: what is merged may be overridden
            if key.tag == _MERGE:
                self._check(value, join_path(path, "<<"), seen)
                continue
            if not isinstance(key, yaml.ScalarNode):
                _refuse(key, path, "a list or section is no key; a key is text")
            if key.tag not in _KINDS or _KINDS[key.tag] != "text":
                kind = _KINDS.get(key.tag, "something else")
                _refuse(key, path, f"the key {key.value[:40]!r} is {kind} to YAML; put it in quotes")
            if key.value in lines:
                what = f"the key {key.value[:40]!r} is there twice in one section"
                _refuse(key, path, f"{what} (first in line {lines[key.value]})")
            lines[key.value] = key.start_mark.line + 1
            self._check(value, join_path(path, key.value), seen)


_Loader.add_implicit_resolver(f"{_PREFIX}float", _EXPONENT, list("-+.0123456789"))


def _tag(node: yaml.Node) -> str:
    return node.tag.replace(_PREFIX, "!!")


def _refuse(node: yaml.Node, path: str, problem: str) -> None:
    raise ConstructorError(None, None, f"{path}: {problem}" if path else problem, node.start_mark)


def _load(text: str) -> Any:
    check_extent(yaml.parse(text, Loader=_Loader))
    return yaml.load(text, Loader=_Loader)


def parse_scalar(text: str) -> Any:
    """Parse one value as an option file would.

    Args:
        text: YAML text, such as ``1e-4``, ``[1, 2]``, ``~`` or ``true``.

    Returns:
        The value.

    Raises:
        yaml.YAMLError: If it is not YAML, or not such as option files may hold.
    """
    return _load(text)


def read_options(path: str | Path) -> dict[str, Any]:
    """Read an option file.

    Args:
        path: YAML file.

    Returns:
        The options, nothing added: text, numbers, true, false, null, lists, and sections whose keys are text.

    Raises:
        ConfigError: If the file is missing, a folder, empty, not UTF-8, not YAML, or not a mapping at its top, or holds
            what cannot be an option. The message names file and line, and in a section its key path.
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
        options = _load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise ConfigError(f"{path}{place}: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{path}, line {line}: the character #x{error.character:04x} is not allowed") from error
    if options is None:
        raise ConfigError(f"{path}: is empty")
    if not isinstance(options, dict):
        raise ConfigError(f"{path}: must be a mapping of keys (`name: ...`), got {type(options).__name__}")
    return options
