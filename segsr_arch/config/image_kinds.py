"""Checks of depth, bands and colours: what a loop of 8-bit RGB cannot take, and what it does to what it can take."""

from collections.abc import Mapping
from typing import Any

from segsr_arch.config.images import Listing
from segsr_arch.config.mappings import check_mapping
from segsr_arch.config.problems import Problems, join_path
from segsr_arch.config.tables import CONVERSION
from segsr_arch.images.conversion import Conversion, notes_of, refusal
from segsr_arch.images.errors import Finding, ImageReadError
from segsr_arch.images.header import ImageHeader
from segsr_arch.images.limits import check_memory
from segsr_arch.images.saying import is_new


def check_kinds(problems: Problems, path: str, options: Mapping[str, Any], listings: Mapping[str, Listing]) -> None:
    """Check that the images of a data set can be used as 8-bit RGB, and note what is done to them for that.

    Args:
        problems: Where problems and notes go.
        path: Key path of the data set.
        options: Its options; the types of their values are checked elsewhere.
        listings: Its images by key of their root.
    """
    of_right_types = Problems()
    check_mapping(of_right_types, path, {key: options.get(key) for key in CONVERSION}, CONVERSION)
    if of_right_types.lines:
        return
    conversion = Conversion.of_data_set(options)
    nonsense = conversion.problem()
    if nonsense:
        problems.add(path, nonsense)
        return
    for key, listing in listings.items():
        _check_listing(problems, join_path(path, key), listing, conversion)


def _check_listing(problems: Problems, path: str, listing: Listing, conversion: Conversion) -> None:
    headers, unreadable = listing.headers
    refused = list(unreadable.values()) if listing.known_sizes else []  # of files, the check of sizes names them
    noted: dict[Finding, list[str]] = {}
    for name, header in headers.items():
        sentence = _unusable(header, conversion)
        if sentence is not None:
            refused.append(f"{listing.folder / name}: {sentence}")
            continue
        for finding, done in notes_of(header, conversion):
            noted.setdefault(finding, []).append(f"{name}: {done}")
    problems.add_images(path, refused, f"images of {listing.folder} that cannot be used")
    looked_at = " looked at" if listing.known_sizes else ""
    for finding, found in noted.items():
        is_new(finding, str(listing.folder))  # or the loop would say it again
        problems.notes.append(f"{path}: {finding.value}: {len(found)} of {len(headers)} images{looked_at}, {found[0]}")


def _unusable(header: ImageHeader, conversion: Conversion) -> str | None:
    refused = refusal(header, conversion)
    if refused is not None:
        return refused[1]
    try:
        check_memory(header)
    except ImageReadError as error:
        return str(error)
    return None
