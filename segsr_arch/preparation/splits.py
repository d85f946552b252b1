"""Which image is for training, validation and test: lists in files, and the seeded rule where there is no list."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from segsr_arch.errors import DataError
from segsr_arch.sources.name_lists import read_split_list

SPLITS = ("train", "val", "test")
PRECEDENCE = ("test", "val", "train")
"""Among identical images in several splits, those of the first split named here stay."""

_FOLDERS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "test-dev", "test-challenge"),
}

# As installed from a wheel, and in a checkout.
_LIST_FOLDERS = (Path(__file__).parent / "split_lists", Path(__file__).parents[2] / "datasets" / "splits")


def split_of_folder(name: str) -> str | None:
    """Tell which split a folder holds by its name in any case, such as ``Training``; ``None`` if it is no split's."""
    return next((split for split, names in _FOLDERS.items() if name.casefold() in names), None)


def seeded_order(names: Iterable[str], seed: int) -> list[str]:
    """Shuffle names in a way that depends on nothing but the names and the seed.

    They are ordered by the SHA-256 digest of ``seed:name``, so that any language gives the same order.
    """
    return sorted(sorted(names), key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest())


def count_of(amount: float, total: int) -> int:
    """Turn an amount into a number of images: below 1 it is a fraction (rounded down), from 1 on a count."""
    return min(total, int(total * amount + 1e-9) if amount < 1 else int(amount))


def split_by_rule(names: Iterable[str], *, val: float, test: float, seed: int) -> dict[str, str]:
    """Split images class by class.

    In each class the names are put in :func:`seeded_order`; the first ``test`` of them are for test, the next ``val``
    for validation, the rest for training.

    Args:
        names: ``class/stem`` or ``stem``.
        val: Fraction (below 1) or number (from 1) of images a class.
        test: The same for test.
        seed: Any whole number.

    Returns:
        The split of each name.
    """
    classes = defaultdict(list)
    for name in names:
        classes[name.rpartition("/")[0]].append(name)
    chosen = {}
    for members in classes.values():
        tests = count_of(test, len(members))
        vals = min(count_of(val, len(members)), len(members) - tests)
        for position, name in enumerate(seeded_order(members, seed)):
            chosen[name] = "test" if position < tests else "val" if position < tests + vals else "train"
    return chosen


def read_splits(files: Mapping[str, Path]) -> dict[str, str]:
    """Read the lists of several splits.

    Args:
        files: List file of each split; a split without one stays empty.

    Returns:
        The split of each listed name, in the order of the lists.

    Raises:
        DataError: If a name is on two lists, or :func:`~segsr_arch.sources.name_lists.read_split_list` refuses one.
    """
    chosen: dict[str, str] = {}
    for split in SPLITS:
        if split not in files:
            continue
        for name in read_split_list(files[split]):
            if name in chosen:
                raise DataError(f"{files[split]}: {name} is on the {chosen[name]} list too")
            chosen[name] = split
    return chosen


def published_lists(data_set: str) -> dict[str, Path]:
    """Find the split lists that come with this package (``datasets/splits`` in a checkout).

    Raises:
        DataError: If they are not there.
    """
    for folder in _LIST_FOLDERS:
        files = {split: folder / f"{data_set}_{split}.txt" for split in SPLITS}
        if all(path.is_file() for path in files.values()):
            return files
    looked = " nor ".join(str(folder) for folder in _LIST_FOLDERS)
    raise DataError(f"the split lists of {data_set} are neither in {looked}; install again, or give --split")
