"""Which basicsr Python takes: its folder, its version, and whether another one is installed."""

import contextlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from segsr_arch.errors import DependencyError

VERSION = "1.4.2"  # what this package is made for, the last release
VERSION_MODULE = "basicsr.version"
_VERSION_LINE = re.compile(r"""^__version__\s*=\s*['"](.+?)['"]""", re.MULTILINE)


@dataclass(frozen=True)
class Installation:
    """A basicsr that Python finds.

    Attributes:
        folder: Folder of the package.
        version: Its version; ``None`` if it does not say.
    """

    folder: Path
    version: str | None

    def __str__(self) -> str:
        return f"basicsr {self.version or 'of unknown version'} in {self.folder}"


def find_installation() -> Installation:
    """Find the basicsr that is or will be imported, without importing it: the import may be what is broken.

    Raises:
        DependencyError: If there is none, or the folder of that name is no Python package.
    """
    spec = importlib.util.find_spec("basicsr")
    if spec is None:
        raise DependencyError(f"The package basicsr ({VERSION}) is not installed. Install it with: {_how_to_install()}")
    folders = list(spec.submodule_search_locations or ())
    if not folders or spec.origin is None:
        reason = "it lacks __init__.py" if folders else "it is a file"
        raise DependencyError(
            f"{folders[0] if folders else spec.origin} has the name of the package basicsr, but is none: {reason}. "
            f"Rename it, or start Python in another folder; if basicsr ({VERSION}) is not installed: "
            f"{_how_to_install()}"
        )
    folder = Path(folders[0])
    return Installation(folder, _version(folder))


def _how_to_install() -> str:
    return f'"{sys.executable}" "{Path(__file__).with_name("install_basicsr.py")}"'


def _version(folder: Path) -> str | None:
    loaded: str | None = getattr(sys.modules.get(VERSION_MODULE), "__version__", None)
    if loaded is not None:
        return loaded
    try:
        found = _VERSION_LINE.search((folder / "version.py").read_text(encoding="utf-8", errors="replace"))
        return found and found[1]
    except OSError:
        pass
    try:  # what the installation would write into version.py
        return (folder.parent / "VERSION").read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def shadowed_by(used: Installation) -> Installation | None:
    """Find an installed basicsr that Python does not take because it finds another one first.

    Args:
        used: The :class:`Installation` that it takes.

    Returns:
        The installed one, or ``None`` if that is the one in use, or there is none.
    """
    for installed in metadata.distributions(name="basicsr"):  # a copy of the source may bring its own entry
        folder = Path(str(installed.locate_file("basicsr")))
        if folder.is_dir() and folder.resolve() != used.folder.resolve():
            return Installation(folder, installed.version)
    return None


def describe_another(used: Installation, *, repairs: Sequence[str], left_out: Sequence[str]) -> str | None:
    """Say that another basicsr than the release is used, and what to do about it.

    Args:
        used: The :class:`Installation` in use.
        repairs: Names of the repairs that were applied to it.
        left_out: Names of those that found nothing to repair.

    Returns:
        Sentences, or ``None`` if the release is used and shadows none.
    """
    shadowed = shadowed_by(used)
    if used.version == VERSION and shadowed is None:
        return None
    sentences = [f"{used} is used; segsr_arch is made for {VERSION}."]
    if used.version != VERSION:
        sentences.append(f"Repaired in it: {', '.join(repairs) or 'nothing'}.")
        sentences.append(f"Not found there, or not as it was released: {', '.join(left_out) or 'nothing'}.")
    if shadowed is not None:
        sentences.append(
            f"It hides {shadowed}. If that is the one that you want, start Python in another folder than "
            f"{used.folder.parent}, or take that folder off PYTHONPATH."
        )
    else:
        sentences.append(f'If something fails, run: "{sys.executable}" -m pip install basicsr=={VERSION}')
    return " ".join(sentences)


@contextlib.contextmanager
def importing_from(used: Installation) -> Iterator[None]:
    """Turn an import that fails within basicsr into a sentence.

    Args:
        used: The :class:`Installation` in use.

    Raises:
        DependencyError: If a package that basicsr needs is missing, or it lacks something itself.
    """
    try:
        yield
    except DependencyError:
        raise
    except ImportError as error:
        raise DependencyError(_why(used, error)) from error


def _why(used: Installation, error: ImportError) -> str:
    python = f'"{sys.executable}" -m pip install'
    if error.name == "distutils":
        return f"basicsr imports distutils, which Python has dropped and setuptools provides. Run: {python} setuptools"
    if f"{error.name}.".startswith("basicsr."):
        shadowed = shadowed_by(used)
        remedy = (
            f"Run: {python} basicsr=={VERSION}"
            if shadowed is None
            else f"Start Python in another folder than {used.folder.parent} to use {shadowed}."
        )
        return f"{used} lacks something that segsr_arch needs ({error}). {remedy}"
    return f"{used} cannot be imported ({error}). Install what it needs."
