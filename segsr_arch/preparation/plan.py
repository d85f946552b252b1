"""What of a source becomes which image of the prepared data set, decided by names alone."""

from dataclasses import dataclass, replace

from segsr_arch.errors import DataError
from segsr_arch.known_names import nearest
from segsr_arch.preparation.options import PreparationOptions
from segsr_arch.preparation.output_names import output_names
from segsr_arch.preparation.problems import Kind, ProblemList
from segsr_arch.preparation.source_images import SourceImage, find_images, one_image_a_name
from segsr_arch.preparation.splits import split_by_rule
from segsr_arch.sources.image_sources import ImageSource


@dataclass(frozen=True)
class Plan:
    """What becomes of a source.

    Attributes:
        images: The images with their splits and names, in the order of their listed names.
        missing: Listed names that the source does not have.
        hint: A clause on what the first of them is nearly called, perhaps empty.
        split_folders: Folders of the source that are the split; empty if lists or the rule are.
    """

    images: list[SourceImage]
    missing: list[str]
    hint: str
    split_folders: tuple[str, ...]


def plan_images(
    options: PreparationOptions, source: ImageSource, listed: dict[str, str] | None, problems: ProblemList
) -> Plan:
    """Decide split and name of every image.

    Args:
        options: What to prepare and how.
        source: Where the images are.
        listed: Split of each name from lists; ``None`` takes the source's own split, or else the seeded rule.
        problems: Gets what is found on the way.

    Returns:
        What becomes of the source.

    Raises:
        DataError: If nothing is left, or names cannot be told apart.
    """
    own_split = options.own_split and listed is None
    images = one_image_a_name(find_images(options.data_set, source, problems, own_split=own_split), problems)
    missing: list[str] = []
    hint = ""
    if listed is None and images[0].split:
        listed = {image.listed: image.split for image in images}
    elif listed is None:
        everything = [image.listed for image in images]
        listed = split_by_rule(everything, val=options.val, test=options.test, seed=options.seed)
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
            f"expected {options.data_set.expected}"
        )
    names = output_names(images, problems)
    planned = [
        replace(image, name=names[image.path], split=listed[image.listed])
        for image in sorted(images, key=lambda image: image.listed)
    ]
    folders = tuple(sorted({image.above for image in images} - {""}))
    return Plan(images=planned, missing=missing, hint=hint, split_folders=folders)
