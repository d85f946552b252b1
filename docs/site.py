"""Pages of the documentation that are made from what stands elsewhere (a hook of mkdocs): nothing is written twice.

The README is the first page; the commands come from their parsers, the options from their dataclasses, the metrics from
their catalogue, the classes and functions from their docstrings.
"""

import argparse
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
# Documents that stand where people look for them in a source tree, and the page that each becomes.
MOVED = {
    "README.md": "index.md",
    "datasets/README.md": "howto/prepare.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
}
API = "reference/api"
_LINK = re.compile(r"(?<!!)\[([^]]*)\]\(([^)\s]+)\)")
_IMAGE = re.compile(r"!\[([^]]*)\]\(([^)\s]+)\)")
_ROLE = re.compile(r":(?:func|class|meth|mod|data|attr|exc):<code>~?(?:[\w.]*\.)?([\w.]+)</code>")


def on_config(config: Any) -> Any:
    """Put a page for each room of the package into the navigation."""
    pages = [{f"`{room.name}`": page(room)} for room in rooms()]
    reference = next(entry["Reference"] for entry in config.nav if "Reference" in entry)
    reference.append({"API": pages})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made."""
    made = {page: (ROOT / source).read_text(encoding="utf-8") for source, page in MOVED.items()}
    made |= {"reference/commands.md": commands(), "reference/options.md": options(), "reference/metrics.md": metrics()}
    made |= {page(room): api(room) for room in rooms()}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Let links lead to where things are in the site; what is in the source tree alone keeps its name only."""
    here = page.file.src_uri
    source = next((path for path, name in MOVED.items() if name == here), f"docs/{here}")

    def replaced(match: re.Match[str]) -> str:
        text, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, mark, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        there = MOVED.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
        if there is None:
            if not (ROOT / path).exists():
                raise FileNotFoundError(f"{source}: there is no {target}")
            return text if text.startswith("`") else f"`{path}`"
        link = posixpath.relpath(there, posixpath.dirname(here) or ".")
        return f"{match[0][: match.start(2) - match.start()]}{link}{mark}{anchor})"

    return _IMAGE.sub(replaced, _LINK.sub(replaced, markdown))


def on_page_content(html: str, **_: Any) -> str:
    """Show the roles of docstrings as the names that they mark."""
    return _ROLE.sub(r"<code>\1</code>", html)


def rooms() -> list[Path]:
    """The package itself, for the modules at its root, and its folders in the order of their names."""
    package = ROOT / "segsr_arch"
    return [package, *sorted(path.parent for path in package.glob("*/__init__.py"))]


def page(room: Path) -> str:
    """Where the page of a room is."""
    return f"{API}/{room.name}.md"


def api(room: Path) -> str:
    """The page of a room: its modules in the order of their names."""
    below = room.glob("*.py") if room == rooms()[0] else room.rglob("*.py")
    modules = sorted(path for path in below if path.name != "__init__.py")
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (room, *modules)]
    options = "\n    options: {heading_level: 2, show_root_full_path: true}"
    title = f"# `{room.name}`\n\n::: {names[0]}\n    options: {{members: false, show_root_heading: false}}\n"
    return title + "".join(f"\n::: {name}{options}\n" for name in names[1:])


def commands() -> str:
    """The arguments of every command."""
    from segsr_arch.cli import basicsr, segsr

    text = "# Commands\n\nWhat `--help` prints.\n"
    for parser in (basicsr.build_parser(), segsr.build_parser()):
        for each in _with_subcommands(parser):
            text += f"\n## {each.prog}\n\n```text\n{each.format_help().rstrip()}\n```\n"
    return text


def _with_subcommands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in dict.fromkeys(action.choices.values()):
                yield from _with_subcommands(below)


def options() -> str:
    """Every option of an option file that this package brings."""
    from segsr_arch.config.reference import option_reference

    return f"# Options of an option file\n\n{option_reference()}"


def metrics() -> str:
    """Every metric and protocol."""
    from segsr_arch.metrics.listing import as_markdown

    return f"# Metrics and protocols\n\n{as_markdown()}"
