"""The images of a source, found by names alone: which files they are, and what each is called."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePosixPath

from segsr_arch.errors import DataError
from segsr_arch.images.formats import IMAGE_SUFFIXES
from segsr_arch.known_names import difference
from segsr_arch.preparation.data_set import DataSet
from segsr_arch.preparation.problems import Kind, ProblemList
from segsr_arch.preparation.splits import split_of_folder
from segsr_arch.sources.archives import OTHER_ARCHIVES
from segsr_arch.sources.image_sources import ImageSource, is_image_path
from segsr_arch.text import composed, listed_name

_SHOWN = 3


@dataclass(frozen=True)
class SourceImage:
    """An image of a source, and its place in the prepared data set.

    Attributes:
        path: Where it lies in the source, with forward slashes.
        group: The folder that holds it, which is its class; empty at the top.
        stem: File name without its ending.
        split: ``train``, ``val`` or ``test``; empty until it is known.
        above: Folders above the class that its name on lists begins with, such as that of its split.
        name: File name in the prepared folders, without ending, and LMDB key; empty until it is known.
    """

    path: str
    group: str
    stem: str
    split: str = ""
    above: str = ""
    name: str = ""

    @property
    def listed(self) -> str:
        """The name under which split lists know it: ``class/stem``, or ``stem`` without a class."""
        return listed_name("/".join(part for part in (self.above, self.group, self.stem) if part))


def describe_image(path: str, depth: int | None, *, split: str = "", above: str = "") -> SourceImage:
    """Split a path into class and name.

    Args:
        path: As :meth:`ImageSource.files` gives it.
        depth: How many leading folders do not belong to the class; ``None`` takes the innermost folder alone.
        split: Its split, if a folder says so.
        above: That folder.
    """
    pure = PurePosixPath(path)
    folders = pure.parts[:-1]
    group = "/".join(folders[-1:] if depth is None else folders[depth:])
    return SourceImage(path=path, group=listed_name(group), stem=pure.stem, split=split, above=above)


def common_depth(paths: Sequence[str]) -> int:
    """Count the folders at the front that all paths share, so that a wrapping folder does not become a class.

    A source whose images all lie in one folder has no classes.
    """
    levels = zip(*(PurePosixPath(path).parts[:-1] for path in paths), strict=False)
    return sum(1 for _ in takewhile(lambda folders: len(set(folders)) == 1, levels))


def _split_folder(data_set: DataSet, path: str, depth: int) -> str:
    """Name the folder of a path that may tell its split, perhaps empty."""
    folders = PurePosixPath(path).parts[:-1]
    if data_set.classes != "none":
        return "".join(folders[depth : depth + 1])
    named = (folder for folder in folders if split_of_folder(folder))
    return next(named, "")


def _describe(data_set: DataSet, source: ImageSource, paths: list[str], *, own_split: bool) -> list[SourceImage]:
    """Split the paths of images into split, class and name.

    Raises:
        DataError: If some folders look like a split and others beside them do not.
    """
    depth = common_depth(paths)
    tops = {path: _split_folder(data_set, path, depth) for path in paths}
    splits = {top: split_of_folder(top) for top in tops.values()}
    if not own_split or len(set(splits.values()) - {None}) < 2:
        return [describe_image(path, _class_depth(data_set, path, depth)) for path in paths]
    images = []
    for path, top in tops.items():
        split = splits[top]
        if split is None:
            split_folders = " and ".join(sorted(top for top, split in splits.items() if split))
            raise DataError(
                f"{source.path}: the folders {split_folders} look like a split, but {path} lies in none of them: move "
                f"it, or give --no-split, which makes all of them {data_set.other_folders}"
            )
        # directly in the folder of the split there is no class
        inside = len(PurePosixPath(path).parts) > depth + 2
        images.append(
            describe_image(
                path, _class_depth(data_set, path, depth + 1) if inside else depth + 1, split=split, above=top
            )
        )
    return images


def _class_depth(data_set: DataSet, path: str, depth: int) -> int | None:
    """How many leading folders of a path do not belong to the class, where so many tell something else."""
    if data_set.classes == "none":
        return len(PurePosixPath(path).parts)
    return None if data_set.classes == "innermost" else depth


def find_images(
    data_set: DataSet, source: ImageSource, problems: ProblemList, *, own_split: bool = False
) -> list[SourceImage]:
    """List the images of a source, whatever folders wrap them.

    Args:
        data_set: What is known of it.
        source: Where to look.
        problems: Gets stray files, and what cannot be read.
        own_split: Whether folders that are called train, val and test are a split.

    Raises:
        DataError: If there is no image where the data set's layout has them.
    """
    files = source.files()
    for path, sentence in source.left_out:
        problems.add(path, Kind.NOT_FOLLOWED, sentence)
    paths = [path for path in files if is_image_path(path)]
    images = _describe(data_set, source, paths, own_split=own_split)
    roots = {PurePosixPath(".")}
    if data_set.classes == "innermost":
        images = [image for image in images if image.group]
        roots = {PurePosixPath(image.path).parent.parent for image in images}
    if not images:
        found = f" ({'; '.join(problems.summary())})" if source.left_out else ""
        raise DataError(f"{source.path}: no images found; expected {data_set.expected}{found}{_packed(files)}")
    kept = {image.path for image in images}
    for path in files:
        if path.lower().endswith(data_set.beside):
            continue
        if path not in kept and roots.intersection(PurePosixPath(path).parents):
            problems.add(path, Kind.STRAY, "not an image in its place; ignored")
    return images


def _packed(files: Sequence[str]) -> str:
    """A clause on archives among files that are not looked into, perhaps empty."""
    archives = [path for path in files if path.lower().endswith((".zip", *OTHER_ARCHIVES))]
    if not archives:
        return ""
    more = ", ..." if len(archives) > _SHOWN else ""
    return f"; it holds archives ({', '.join(archives[:_SHOWN])}{more}): extract them, and give the folder"


def one_image_a_name(images: list[SourceImage], problems: ProblemList) -> list[SourceImage]:
    """Keep one of several images that split lists cannot tell apart, such as ``a/1.tif`` and ``a/1.jpg``."""
    by_name = defaultdict(list)
    for image in images:
        by_name[image.listed].append(image)
    kept = []
    for listed, same in by_name.items():
        same.sort(key=lambda image: (IMAGE_SUFFIXES.index(PurePosixPath(image.path).suffix.lower()), image.path))
        kept.append(same[0])
        for other in same[1:]:
            alike = composed(other.path) == composed(same[0].path)
            differs = f" ({difference(same[0].path, other.path)})" if alike else ""
            done = f"{same[0].path} is called {listed} too and stays{differs}; left out"
            problems.add(other.path, Kind.SAME_NAME, done)
    return kept
