"""What of a source becomes which image of the prepared data set, decided by names alone."""

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from segsr_arch.errors import DataError
from segsr_arch.known_names import difference, nearest
from segsr_arch.preparation.output_names import output_names
from segsr_arch.preparation.problems import Kind, ProblemList
from segsr_arch.preparation.splits import split_by_rule, split_of_folder
from segsr_arch.sources.image_sources import (
    IMAGE_SUFFIXES,
    ImageSource,
    SourceImage,
    common_depth,
    describe_image,
    is_image_path,
)
from segsr_arch.text import composed

EXPECTED_LAYOUT = {
    "ucmerced": "UCMerced_LandUse.zip, or its folder with Images/<class>/<class>NN.tif",
    "aid": "AID.zip, or its folder with <Class>/<class>_N.jpg",
    "folder": "a folder or .zip with images, in one folder for each class if there are classes",
}


@dataclass(frozen=True)
class PlannedImage:
    """An image of the source and its place in the prepared data set.

    Attributes:
        path: File in the source.
        group: Its class.
        listed: Its name on split lists, ``class/stem``.
        name: File name in the prepared folders, without ending, and LMDB key.
        split: ``train``, ``val`` or ``test``.
    """

    path: str
    group: str
    listed: str
    name: str
    split: str


@dataclass(frozen=True)
class Plan:
    """What becomes of a source.

    Attributes:
        images: The images in the order of their listed names.
        missing: Listed names that the source does not have.
        hint: A clause on what the first of them is nearly called, perhaps empty.
        split_folders: Folders of the source that are the split; empty if lists or the rule are.
    """

    images: list[PlannedImage]
    missing: list[str]
    hint: str
    split_folders: tuple[str, ...]


def _describe(data_set: str, source: ImageSource, paths: list[str], *, own_split: bool) -> list[SourceImage]:
    """Split the paths of images into split, class and name.

    Raises:
        DataError: If some folders look like a split and others beside them do not.
    """
    depth = common_depth(paths)
    class_depth = depth if data_set == "folder" else None
    folders = {path: PurePosixPath(path).parts[:-1][depth : depth + 1] for path in paths}
    splits = {top: split_of_folder(top[0]) if top else None for top in folders.values()}
    if not own_split or len(set(splits.values()) - {None}) < 2:
        return [describe_image(path, class_depth) for path in paths]
    if None in splits.values():
        split_folders = " and ".join(sorted(top[0] for top, split in splits.items() if split))
        other = next(path for path, top in folders.items() if splits[top] is None)
        raise DataError(
            f"{source.path}: the folders {split_folders} look like a split, but {other} lies in none of them: move it, "
            f"or give --no-split, which makes all folders classes"
        )
    images = []
    for path, (top,) in folders.items():
        image = describe_image(path, depth + 1 if data_set == "folder" else None)
        # directly in the folder of the split there is no class
        group = image.group if len(PurePosixPath(path).parts) > depth + 2 else ""
        images.append(replace(image, group=group, split=splits[top,], above=top))
    return images


def find_images(
    data_set: str, source: ImageSource, problems: ProblemList, *, own_split: bool = False
) -> list[SourceImage]:
    """List the images of a source, whatever folders wrap them.

    Args:
        data_set: ``ucmerced``, ``aid`` or ``folder``.
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
    if data_set != "folder":
        images = [image for image in images if image.group]
        roots = {PurePosixPath(image.path).parent.parent for image in images}
    if not images:
        found = f" ({'; '.join(problems.summary())})" if source.left_out else ""
        raise DataError(f"{source.path}: no images found; expected {EXPECTED_LAYOUT[data_set]}{found}")
    kept = {image.path for image in images}
    for path in files:
        if path not in kept and roots.intersection(PurePosixPath(path).parents):
            problems.add(path, Kind.STRAY, "not an image in its place; ignored")
    return images


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


def plan_images(
    data_set: str,
    source: ImageSource,
    *,
    listed: dict[str, str] | None,
    val: float,
    test: float,
    seed: int,
    own_split: bool,
    problems: ProblemList,
) -> Plan:
    """Decide split and name of every image.

    Args:
        data_set: ``ucmerced``, ``aid`` or ``folder``.
        source: Where the images are.
        listed: Split of each name from lists; ``None`` takes the source's own split, or else the seeded rule.
        val: Amount for validation under the rule, see :func:`~segsr_arch.preparation.splits.split_by_rule`.
        test: Amount for test under the rule.
        seed: Of the rule.
        own_split: Whether folders that are called train, val and test are a split.
        problems: Gets what is found on the way.

    Returns:
        What becomes of the source.

    Raises:
        DataError: If nothing is left, or names cannot be told apart.
    """
    found = find_images(data_set, source, problems, own_split=own_split and listed is None)
    images = one_image_a_name(found, problems)
    missing: list[str] = []
    hint = ""
    if listed is None and images[0].split is not None:
        listed = {image.listed: image.split for image in images}
    elif listed is None:
        listed = split_by_rule((image.listed for image in images), val=val, test=test, seed=seed)
    else:
        present = {image.listed for image in images}
        missing = [name for name in listed if name not in present]
        hint = nearest(missing[0], sorted(present - set(listed))) if missing else ""
        for image in images:
            if image.listed not in listed:
                problems.add(image.path, Kind.UNLISTED, "ignored")
        images = [image for image in images if image.listed in listed]
    if not images:
        raise DataError(
            f"{source.path}: holds none of the {len(missing)} listed images, such as {missing[0]}{hint}; "
            f"expected {EXPECTED_LAYOUT[data_set]}"
        )
    names = output_names(images, problems)
    planned = [
        PlannedImage(
            path=image.path,
            group=image.group,
            listed=image.listed,
            name=names[image.path],
            split=listed[image.listed],
        )
        for image in sorted(images, key=lambda image: image.listed)
    ]
    folders = tuple(sorted({image.above for image in images} - {""}))
    return Plan(images=planned, missing=missing, hint=hint, split_folders=folders)
