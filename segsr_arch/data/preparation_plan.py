"""What of a source becomes which image of the prepared data set, decided by names alone."""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath

from segsr_arch.data.image_sources import (
    IMAGE_SUFFIXES,
    ImageSource,
    SourceImage,
    common_depth,
    describe_image,
    is_image_path,
)
from segsr_arch.data.problems import Kind, ProblemList
from segsr_arch.data.splits import split_by_rule
from segsr_arch.errors import DataError

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


def find_images(data_set: str, source: ImageSource, problems: ProblemList) -> list[SourceImage]:
    """List the images of a source, whatever folders wrap them.

    Args:
        data_set: ``ucmerced``, ``aid`` or ``folder``.
        source: Where to look.
        problems: Gets stray files.

    Raises:
        DataError: If there is no image where the data set's layout has them.
    """
    files = source.files()
    paths = [path for path in files if is_image_path(path)]
    if data_set == "folder":
        depth = common_depth(paths)
        images = [describe_image(path, depth) for path in paths]
        roots = {PurePosixPath(".")}
    else:
        images = [image for image in (describe_image(path, None) for path in paths) if image.group]
        roots = {PurePosixPath(image.path).parent.parent for image in images}
    if not images:
        raise DataError(f"{source.path}: no images found; expected {EXPECTED_LAYOUT[data_set]}")
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
            problems.add(other.path, Kind.SAME_NAME, f"{same[0].path} is called {listed} too and stays; left out")
    return kept


def _plain(name: str) -> str:
    """Make a name that is a file name everywhere and an LMDB key that BasicSR reads: ASCII, no dot, no space."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def output_names(images: list[SourceImage], problems: ProblemList) -> dict[str, str]:
    """Choose the prepared file name of each image: its own, with the class in front where two classes share it.

    Returns:
        Name by source path.

    Raises:
        DataError: If two images would still get one name.
    """
    by_stem = defaultdict(list)
    for image in images:
        by_stem[_plain(image.stem)].append(image)
    names: dict[str, str] = {}
    taken: dict[str, str] = {}
    for stem, same in by_stem.items():
        for image in same:
            name = _plain(image.listed) if len(same) > 1 else stem
            if len(same) > 1:
                others = ", ".join(other.path for other in same if other is not image)
                problems.add(image.path, Kind.SAME_NAME, f"{others} has the same; written as {name}")
            elif name != image.stem:
                problems.add(image.path, Kind.RENAMED, f"written as {name}, which BasicSR can read as a key")
            if name in taken:
                raise DataError(f"{image.path} and {taken[name]} would both be written as {name}: rename one of them")
            taken[name] = image.path
            names[image.path] = name
    return names


def plan_images(
    data_set: str,
    source: ImageSource,
    *,
    listed: dict[str, str] | None,
    val: float,
    test: float,
    seed: int,
    problems: ProblemList,
) -> tuple[list[PlannedImage], list[str]]:
    """Decide split and name of every image.

    Args:
        data_set: ``ucmerced``, ``aid`` or ``folder``.
        source: Where the images are.
        listed: Split of each name from lists; ``None`` splits by the seeded rule.
        val: Amount for validation under the rule, see :func:`~segsr_arch.data.splits.split_by_rule`.
        test: Amount for test under the rule.
        seed: Of the rule.
        problems: Gets what is found on the way.

    Returns:
        The images in the order of their listed names; and the listed names that the source does not have.

    Raises:
        DataError: If nothing is left, or names cannot be told apart.
    """
    images = one_image_a_name(find_images(data_set, source, problems), problems)
    missing: list[str] = []
    if listed is None:
        listed = split_by_rule((image.listed for image in images), val=val, test=test, seed=seed)
    else:
        present = {image.listed for image in images}
        missing = [name for name in listed if name not in present]
        for image in images:
            if image.listed not in listed:
                problems.add(image.path, Kind.UNLISTED, "ignored")
        images = [image for image in images if image.listed in listed]
    if not images:
        raise DataError(
            f"{source.path}: holds none of the {len(missing)} listed images, such as {missing[0]}; "
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
    return planned, missing
