"""Image folders (or LMDBs) of a method, of the ground truth and of the input, put together by name."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.images.conversion import AS_STORED, Conversion
from segsr_arch.images.reading import read_header
from segsr_arch.known_names import difference, nearest
from segsr_arch.results.classes import classes_of
from segsr_arch.results.record import ImageRow
from segsr_arch.results.references import ImageReference, check_encodable
from segsr_arch.sources.image_names import image_name, is_lmdb
from segsr_arch.sources.image_sources import ImageSource, is_image_path
from segsr_arch.sources.lmdb_reading import read_whole_list
from segsr_arch.text import composed

_EXPLAINED = 3  # missing partners of which the nearest name is looked for


def dataset_name_of(path: str | os.PathLike) -> str:
    """Name a data set by its folder or LMDB, where nobody has named it."""
    return Path(path).resolve().name.removesuffix(".lmdb")


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """The images below a folder, or of an LMDB.

    Attributes:
        path: As it was given.
        images: Place of each image by its name: path below the folder without ending, with forward slashes, composed.
        empty_folders: Folders below it without any file.
        left_out: What is below it and could not be listed, a line each.
    """

    path: str
    images: Mapping[str, ImageReference]
    empty_folders: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: str | os.PathLike, option: str, conversion: Conversion = AS_STORED) -> "ImageFolder":
        """List the images.

        Args:
            path: Folder, or LMDB as BasicSR lays it out (name ends with ``.lmdb``).
            option: On which option it was given, for messages.
            conversion: How its images become RGB, where they are not.

        Raises:
            DataError: If there is nothing of that name, it holds no image, or two images of one name.
        """
        text = os.fspath(path)
        if not Path(text).is_dir():
            raise DataError(f"{option} {text}: no such folder (looked in {Path.cwd()}).")
        if is_lmdb(text):
            return cls(path=text, images=_lmdb_images(text.rstrip("/"), option, conversion))
        images: dict[str, ImageReference] = {}
        source = ImageSource(text)
        for file in filter(is_image_path, source.files()):
            name = image_name(file)
            check_encodable(name, f"{option} {text}")
            place = ImageReference(path=os.path.join(text, source.stored_name(file)), conversion=conversion)
            if name in images:
                raise DataError(f"{option} {text}: {_same_name(name, images[name].path, place.path)}; remove one.")
            images[name] = place
        left_out = tuple(f"{text}/{path}: {sentence}" for path, sentence in source.left_out)
        if not images:
            also = f" {left_out[0]}." if left_out else ""
            raise DataError(f"{option} {text}: holds no image (.png, .tif, .webp, .jpg).{also}")
        return cls(path=text, images=images, empty_folders=tuple(source.empty_folders), left_out=left_out)


def _same_name(name: str, *paths: str) -> str:
    files = [os.path.basename(path) for path in paths]
    alike = composed(files[0]) == composed(files[1])
    return f"two images are called {name} ({difference(*files) if alike else ' and '.join(files)})"


def _lmdb_images(path: str, option: str, conversion: Conversion) -> dict[str, ImageReference]:
    try:
        keys = list(read_whole_list(path))
    except DataError as error:
        raise DataError(f"{option} {error}.") from error
    if not keys:
        raise DataError(f"{option} {path}: its meta_info.txt lists no image.")
    return {composed(key): ImageReference(path=path, key=key, conversion=conversion) for key in keys}


@dataclass(frozen=True, kw_only=True)
class Matching:
    """What came of putting folders together.

    Attributes:
        matches: Where each image of the method and its partners lie, in the order of their names: a name is that of the
            ground truth; without any, of the LR image or of the method's.
        problems: What is missing, a line each.
        notes: How names were matched, where they are not equal.
    """

    matches: tuple[ImageRow, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def match_folders(sr: ImageFolder, gt: ImageFolder | None = None, lq: ImageFolder | None = None) -> Matching:
    """Find the partners of each image.

    Names are equal; or equal without their folders, if that is unambiguous; or one folder's names have one ending more,
    as BasicSR adds it (``_HAT`` in ``agricultural85_HAT.png``).

    Args:
        sr: The method's images.
        gt: Ground truth.
        lq: LR inputs.

    Returns:
        The matches.

    Raises:
        DataError: If no image has a partner.
    """
    base = gt or lq or sr
    problems = [f"{base.path}/{folder}: the class has no image" for folder in base.empty_folders]
    problems += [line for folder in (sr, gt, lq) if folder is not None for line in folder.left_out]
    classes = classes_of(base.images)
    notes: list[str] = []
    found: dict[str, dict[str, ImageReference]] = {}
    for role, folder in (("SR", sr), ("GT", gt), ("LR", lq)):
        if folder is None:
            continue
        names, note = _partners(list(base.images), list(folder.images), folder.path)
        notes += note
        problems += _without_partner(role, folder, names, base)
        found[role] = {name: folder.images[partner] for name, partner in names.items()}
        if not names:
            raise DataError(
                f"{folder.path}: no image has the name of one in {base.path} ({sorted(folder.images)[0]}, ... against "
                f"{sorted(base.images)[0]}, ...{nearest(sorted(base.images)[0], folder.images)}). Name them alike; one "
                f"common ending more, such as _HAT, is allowed."
            )
    matches = tuple(
        ImageRow(
            name=name,
            class_name=classes[name],
            sr=found["SR"][name],
            gt=base.images[name] if gt is not None else None,
            lq=found.get("LR", {}).get(name),
        )
        for name in sorted(base.images)
        if name in found["SR"]
    )
    return Matching(matches=matches, problems=tuple(problems), notes=tuple(notes))


def _partners(wanted: Sequence[str], present: Sequence[str], path: str) -> tuple[dict[str, str], list[str]]:
    """Map wanted names to names of another folder, with notes on what was needed for it."""
    exact = set(wanted) & set(present)
    if exact:
        return {name: name for name in wanted if name in exact}, []
    stems, other = _by_stem(wanted), _by_stem(present)
    if stems is None or other is None:
        return {}, []
    if common := stems.keys() & other.keys():
        return {stems[stem]: other[stem] for stem in common}, [f"{path}: names are matched without their folders"]
    endings = Counter(
        stem[len(start) :]
        for stem in other
        for length in range(1, len(stem))
        if (start := stem[:length]) in stems and not stem[length].isdigit()
    )
    if not endings:
        return {}, []
    ending = endings.most_common(1)[0][0]
    pairs = {stems[stem]: other[stem + ending] for stem in stems if stem + ending in other}
    return pairs, [f"{path}: names are matched without their ending {ending!r}"]


def _by_stem(names: Sequence[str]) -> dict[str, str] | None:
    """Names by their last part; ``None`` if two have the same."""
    stems = {PurePosixPath(name).name: name for name in names}
    return stems if len(stems) == len(names) else None


def _without_partner(role: str, folder: ImageFolder, names: Mapping[str, str], base: ImageFolder) -> list[str]:
    extra = sorted(set(folder.images) - set(names.values()))
    lines = [
        f"{name}: no {role} image in {folder.path}{nearest(name, extra) if place < _EXPLAINED else ''}"
        for place, name in enumerate(sorted(set(base.images) - set(names)))
    ]
    return lines + [f"{name}: {role} image in {folder.path} without a partner in {base.path}" for name in extra]


def scale_of(matchings: Iterable[Matching]) -> int | None:
    """Scale of the first pair of SR and LR image that can be read and has one; the others are checked later.

    Raises:
        ConfigError: If no pair has a whole scale of at least 2; images of one size say so.
    """
    pairs = [(row.sr, row.lq) for matching in matchings for row in matching.matches if row.lq]
    same_size = False
    for sr_place, lq_place in pairs:
        try:
            sr, lq = (read_header(place.read_bytes()) for place in (sr_place, lq_place))
        except DataError:
            continue  # it gets its line when it is measured
        scale, rest = divmod(sr.height, lq.height)
        if scale and not rest and sr.width == scale * lq.width:
            if scale > 1:
                return scale
            same_size = True
    if not pairs:
        return None
    if same_size:
        raise ConfigError(
            f"--lq: no LR image is smaller than its SR image ({pairs[0][1]} and {pairs[0][0]}, for instance); give the "
            f"LR images that were enlarged, or --scale 1 if nothing was."
        )
    raise ConfigError(
        f"--lq: no LR image is smaller than its SR image by a whole scale ({pairs[0][1]} and {pairs[0][0]}, for "
        f"instance); give --scale, and LR images of the same data."
    )
