"""Checks of depth, bands and colours: what a loop of 8-bit RGB cannot take, and what it does to what it can take."""

from collections.abc import Mapping
from typing import Any

from segsr_arch.config.images import Listing
from segsr_arch.config.problems import Problems
from segsr_arch.images.conversion import CONVERSION_KEYS, Conversion, notes_of, refusal
from segsr_arch.images.errors import Finding, ImageReadError
from segsr_arch.images.header import ImageHeader
from segsr_arch.images.limits import check_memory
from segsr_arch.images.saying import is_new


def check_kinds(here: Problems, options: Mapping[str, Any], listings: Mapping[str, Listing]) -> None:
    """Check that the images of a data set can be used as 8-bit RGB, and note what is done to them for that.

    Args:
        here: Where the data set stands.
        options: Its options, whose values have been checked there.
        listings: Its images by key of their root.
    """
    if not all(here.at(key).ok for key in CONVERSION_KEYS):
        return
    conversion = Conversion.of_data_set(options)
    nonsense = conversion.problem()
    if nonsense:
        here.add(nonsense)
        return
    for key, listing in listings.items():
        _check_listing(here.at(key), listing, conversion)


def _check_listing(here: Problems, listing: Listing, conversion: Conversion) -> None:
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
    here.add_images(refused, f"images of {listing.folder} that cannot be used")
    looked_at = " looked at" if listing.known_sizes else ""
    for finding, found in noted.items():
        is_new(finding, str(listing.folder))  # or the loop would say it again
        here.note(f"{finding.value}: {len(found)} of {len(headers)} images{looked_at}, {found[0]}")


def _unusable(header: ImageHeader, conversion: Conversion) -> str | None:
    refused = refusal(header, conversion)
    if refused is not None:
        return refused[1]
    try:
        check_memory(header)
    except ImageReadError as error:
        return str(error)
    return None
