"""Images that a list names, and names that cannot be told apart where results are written."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segsr_arch.config.images import Listing, first_few
from segsr_arch.config.pairs import takes_a_name
from segsr_arch.config.problems import Problems
from segsr_arch.errors import DataError
from segsr_arch.sources.folder_walk import on_disk
from segsr_arch.sources.image_names import image_name
from segsr_arch.sources.name_lists import read_name_pairs, read_names


def list_named(
    here: Problems, options: Mapping[str, Any], roots: tuple[str, ...], names_key: str
) -> dict[str, Listing]:
    """List exactly the files that a list names.

    Args:
        here: Where the data set stands.
        options: Its options; what ``names_key`` gives is a file.
        roots: Keys of its data roots.
        names_key: ``meta_info_file``, with a name a line, or ``meta_info``, with two, of HR and LR image.

    Returns:
        Listing by key of the data root, of those whose files are all there.
    """
    named, file = here.at(names_key), options[names_key]
    try:
        columns = _pairs(file) if names_key == "meta_info" else _one_name(options, roots, read_names(file))
    except DataError as error:
        named.add(str(error))
        return {}
    if not any(columns.values()):
        named.add(f"{file} names no image")
        return {}
    listings = {}
    for key, wanted in columns.items():
        root = Path(os.path.expanduser(options[key])) if isinstance(options.get(key), str) else None
        if root is None or not root.is_dir():
            continue
        found = {name: on_disk(root / name) for name in wanted}
        missing = [name for name, place in found.items() if not place.is_file()]
        if missing:
            missed = f"{len(missing)} files that {file} names are not in {root}, first: {missing[0]}"
            here.at(key).add(missed)
        else:
            listings[key] = Listing(root, [os.path.relpath(found[name], root) for name in wanted])
    if names_key == "meta_info" and len(listings) == 2:
        hr, lr = listings["dataroot_gt"], listings["dataroot_lq"]
        hr.partners.update(zip(hr.names, lr.names, strict=True))
    return listings


def _one_name(options: Mapping[str, Any], roots: tuple[str, ...], names: list[str]) -> dict[str, list[str]]:
    template = options.get("filename_tmpl", "{}")
    if not takes_a_name(template):  # told where pairs are looked at
        template = "{}"
    columns = dict.fromkeys(roots, names)
    if "dataroot_gt" in roots and "dataroot_lq" in roots:
        columns["dataroot_lq"] = [template.format(Path(name).stem) + Path(name).suffix for name in names]
    return columns


def _pairs(file: str) -> dict[str, list[str]]:
    pairs = read_name_pairs(file)
    return {"dataroot_gt": [high for high, _ in pairs], "dataroot_lq": [low for _, low in pairs]}


def check_stems(here: Problems, listings: Mapping[str, Listing]) -> None:
    """Refuse images that differ in their endings alone: what is written of one would replace the other's.

    Images of one name in several folders are said: ``segsr evaluate`` keeps them apart, ``save_img`` does not.

    Args:
        here: Where a data set to validate or test on stands.
        listings: Its images by key of the data root.
    """
    for key, listing in listings.items():
        if listing.known_sizes:  # keys of an LMDB have no endings
            continue
        names = {name: image_name(name) for name in listing.names}
        if same := _alike(names):
            here.at(key).add(f"results are named without endings, and these would be one: {same}; rename them")
        elif same := _alike({name: Path(stem).name for name, stem in names.items()}):
            here.at(key).note(f"save_img writes images without their folders, and these become one: {same}")


def _alike(names: Mapping[str, str]) -> str:
    """Name the first pairs of images that would be written under one name; nothing if all differ."""
    first: dict[str, str] = {}
    same = [f"{first[stem]} and {name}" for name, stem in names.items() if first.setdefault(stem, name) != name]
    return first_few(same) if same else ""
