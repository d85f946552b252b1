"""What is to be upscaled: one scene, or those of a folder, a glob or a manifest, and where each goes."""

import glob
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.scenes.many.manifest import read_manifest
from segsr_arch.scenes.many.source_names import RASTER_SUFFIXES, is_local, is_raster, missing, output_name
from segsr_arch.scenes.output.formats import ending_problem
from segsr_arch.scenes.output.raster_spec import SPREAD, RasterFiles
from segsr_arch.sources.folder_walk import walk

_SHOWN = 20

Kind = Literal["scene", "folder", "glob", "manifest"]


@dataclass(frozen=True, kw_only=True)
class SceneTask:
    """One scene to be upscaled; can be pickled.

    Attributes:
        src: What GDAL opens.
        dst: File that it becomes.
        options: Keyword arguments of :func:`~segsr_arch.scenes.upscale.upscale`.
    """

    src: str
    dst: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the scene is called in a line of progress."""
        return re.split(r"[/\\]", self.src)[-1]


def source_kind(src: str | os.PathLike[str]) -> Kind:
    """Tell what a source stands for.

    Returns:
        ``folder`` or ``manifest`` (a file that ends with ``.csv``) if it is one, ``glob`` for what has ``*``, ``?`` or
        ``[`` and is no file, else ``scene``: a file, or anything that only GDAL knows, such as ``/vsizip/...``.
    """
    text = os.fspath(src)
    if not is_local(text):
        return "scene"
    if os.path.isdir(text):
        return "folder"
    if text.lower().endswith(".csv"):
        return "manifest"
    return "glob" if glob.has_magic(text) and not os.path.exists(text) else "scene"


def find_tasks(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str] | None,
    *,
    suffix: str | Callable[[str], str] = ".tif",
    options: Mapping[str, Any] | None = None,
) -> list[SceneTask]:
    """Find what is to be upscaled, and refuse what cannot be done before anything is begun.

    Args:
        src: A file, anything else that GDAL opens, a folder, a glob (``**`` for folders of any depth), or a manifest:
            a CSV file with a line ``src,dst`` above, see :func:`~segsr_arch.scenes.many.manifest.read_manifest`.
        dst: For one scene the file, or an existing folder (or a name with a slash at its end) to put it in. For a
            folder or a glob a folder in which the scenes have their names relative to it, or to the part of the
            pattern without wildcards. With a manifest ``None``, or a folder if it has no column ``dst``.
        suffix: Ending of files in a folder, or what gives it for the name of a source.
        options: Keyword arguments of :func:`~segsr_arch.scenes.upscale.upscale`, the same for all.

    Returns:
        The tasks, in the order of the sources' names, or of the manifest.

    Raises:
        ConfigError: If ``dst`` does not fit to ``src``.
        DataError: If there is nothing to do; or, all in one message, if sources are missing, are their own or
            another's destination, or if destinations are folders, have endings that mean no format, or occur twice.
    """
    text, kind = os.fspath(src), source_kind(src)
    ending = suffix if callable(suffix) else lambda name: suffix
    problems: list[str] = []
    if kind == "manifest":
        pairs = read_manifest(Path(text), folder=None if dst is None else _folder(dst), ending=ending)
    elif dst is None:
        raise ConfigError(f"{text}: say where it is to go; only a manifest with a column dst does so itself.")
    elif kind == "scene":
        inside = os.fspath(dst).endswith(("/", os.sep)) or os.path.isdir(dst)
        pairs = [(text, Path(dst, output_name(text, ending(text))) if inside else Path(dst))]
    else:
        names = _names_in(text, problems) if kind == "folder" else _names_of(text)
        base = text if kind == "folder" else _fixed_part(text)
        _refuse_feedback(text, base, _folder(dst))
        pairs = [
            (os.path.join(base, name), Path(dst, PurePosixPath(name).with_suffix(ending(name))))
            for name in sorted(names)
        ]
    problems += _problems(pairs, has_spread=bool(options and options.get("ensemble")))
    if problems and len(pairs) == 1:
        raise DataError(f"{problems[0]}.")
    if problems:
        shown = "".join(f"\n  {line}" for line in problems[:_SHOWN])
        more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise DataError(f"{text}: nothing was begun, since not all of it can be done:{shown}{more}")
    return [SceneTask(src=source, dst=target, options=dict(options or {})) for source, target in pairs]


def parse_shard(text: str) -> tuple[int, int]:
    """Read ``i/n``, the i-th of n shares, counted from 1.

    Raises:
        ConfigError: If it is something else.
    """
    found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text, re.ASCII)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ConfigError(f"--shard {text}: give i/n, the i-th of n shares, from 1/n to n/n, such as 1/8.")
    return int(found[1]), int(found[2])


def shard_of(tasks: Sequence[SceneTask], shard: tuple[int, int]) -> list[SceneTask]:
    """Take a share: every n-th task, from the i-th on. The n shares of one list are disjoint, and together are all."""
    place, shares = shard
    return list(tasks[place - 1 :: shares])


def _folder(dst: str | os.PathLike[str]) -> Path:
    if os.path.exists(dst) and not os.path.isdir(dst):
        raise ConfigError(f"{dst}: is a file; give a folder for several scenes.")
    return Path(dst)


def _names_in(folder: str, problems: list[str]) -> list[str]:
    """Rasters below a folder, hidden ones left out; what only seems to be one is added to the problems."""
    left_out: list[tuple[str, str]] = []
    names = [
        name if inside == "." else f"{inside}/{name}"
        for inside, files in walk(folder, left_out, passes_over=lambda name: name.startswith("."))
        for name in files
        if is_raster(name) and not _is_spread(name, files)
    ]
    problems += [f"{folder}/{path}: {what}" for path, what in left_out if is_raster(os.path.basename(path))]
    if not names and not problems:
        raise DataError(
            f"{folder}: holds no scene, which are known by {' '.join(RASTER_SUFFIXES)}; others can be listed in a CSV "
            "file."
        )
    return names


def _is_spread(name: str, beside: Sequence[str]) -> bool:
    """Whether a file is the spread of an output that lies beside it, with the small file that says how it was made."""
    stem = name.removesuffix(f"{SPREAD}.tif")
    return stem != name and any(other.startswith(f"{stem}.") and other.endswith(".json") for other in beside)


def _fixed_part(pattern: str) -> str:
    """The folder of a pattern: its parts before the first with a wildcard."""
    parts = pattern.split("/")
    first = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:first]) or ("/" if pattern.startswith("/") else "")


def _names_of(pattern: str) -> list[str]:
    """Files that a pattern matches, seen from its fixed part; hidden ones only if it says so."""
    base = _fixed_part(pattern)
    found = [path for path in glob.glob(pattern, recursive=True) if not os.path.isdir(path)]
    if not found:
        raise DataError(
            f"{pattern}: no file matches (looked from {Path.cwd()}). Patterns are of files here; what only GDAL can "
            "list goes into a CSV file."
        )
    return [os.path.relpath(path, base or ".") for path in found]


def _refuse_feedback(src: str, base: str, dst: Path) -> None:
    """Refuse a destination whose scenes would be sources the next time."""
    source, target = Path(os.path.realpath(base or ".")), Path(os.path.realpath(dst))
    recursive = os.path.isdir(src) or "**" in src.split("/")
    if recursive and (target == source or source in target.parents):
        raise ConfigError(
            f"{dst}: lies in {base or 'this folder'}, and would be a source itself; choose a folder outside."
        )


def _problems(pairs: Sequence[tuple[str, Path]], *, has_spread: bool) -> Iterator[str]:
    """A line for each pair that cannot be done."""
    by_target: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for source, target in pairs:
        for written in (target, *([RasterFiles.of(target, SPREAD).final] if has_spread else [])):
            by_target[os.path.realpath(written)].append((source, written))
    sources = {os.path.realpath(source): source for source, _ in pairs if is_local(source)}
    for source, target in pairs:
        if is_local(source) and not os.path.exists(source):
            yield missing(source)
        if problem := ending_problem(target):
            yield problem
        place = os.path.realpath(target)
        if os.path.isdir(target):
            yield f"{source}: its destination {target} is a folder"
        if place in sources and sources[place] == source:
            yield f"{source}: is its own destination; choose another folder or name"
        elif place in sources:
            yield f"{source}: its destination {target} is a source"
    for same in by_target.values():
        *others, last = (source for source, _ in same)
        if others:
            yield f"{same[0][1]}: the destination of {', '.join(others)} and {last}; rename all but one"
