"""File names of a prepared data set: letters of any script, and different ones for different images everywhere."""

from collections import Counter, defaultdict

from segsr_arch.errors import DataError
from segsr_arch.preparation.problems import Kind, ProblemList
from segsr_arch.preparation.source_images import SourceImage
from segsr_arch.sources.image_names import name_digest, portable_name
from segsr_arch.text import composed

_SHOWN_PAIRS = 5


def _same_everywhere(name: str) -> str:
    """What two names share that are one file where upper and lower case are the same."""
    return composed(name.casefold())


def output_names(images: list[SourceImage], problems: ProblemList) -> dict[str, str]:
    """Choose the prepared file name of each image: its own, with the class in front where two classes share it.

    Names that differ in upper and lower case alone get a digest at their end: on many file systems they are one file.

    Args:
        images: Images of a source; no two have one name on lists.
        problems: Gets names that change.

    Returns:
        Name by source path.

    Raises:
        DataError: If two images would still get one name; all such pairs are named.
    """
    by_stem = defaultdict(list)
    for image in images:
        by_stem[portable_name(image.stem)].append(image)
    names: dict[str, str] = {}
    for stem, same in by_stem.items():
        names |= {image.path: portable_name(image.listed) if len(same) > 1 else stem for image in same}
    by_name = defaultdict(list)
    for path, name in names.items():
        by_name[name].append(path)
    pairs = [f"{same[0]} and {same[1]} as {name}" for name, same in by_name.items() if len(same) > 1]
    if pairs:
        more = f"; and {len(pairs) - _SHOWN_PAIRS} more" if len(pairs) > _SHOWN_PAIRS else ""
        raise DataError(
            f"Different images would be written under one name: {'; '.join(pairs[:_SHOWN_PAIRS])}{more}: rename one of "
            f"them"
        )
    counts = Counter(map(_same_everywhere, names.values()))
    for stem, same in by_stem.items():
        for image in same:
            name = names[image.path]
            if counts[_same_everywhere(name)] > 1:
                name = names[image.path] = f"{name}-{name_digest(image.listed)}"
                done = f"another name differs in upper and lower case alone; written as {name}"
                problems.add(image.path, Kind.SAME_NAME, done)
            elif len(same) > 1:
                others = ", ".join(other.path for other in same if other is not image)
                problems.add(image.path, Kind.SAME_NAME, f"{others} has the same; written as {name}")
            elif stem != composed(image.stem):
                problems.add(image.path, Kind.RENAMED, f"written as {name}, which BasicSR can read as a key")
    return names
