"""What can be said of an image file beside its pixels."""

from enum import Enum


class Finding(str, Enum):
    """The kinds of finding, by the words that summaries print."""

    BROKEN = "broken image"
    DEPTH = "more than 8 bits"
    ALPHA = "alpha channel"
    GRAYSCALE = "grayscale"
    PALETTE = "palette"
    BANDS = "other bands or colours"
    PAGES = "several pages"
    TURNED = "turned or mirrored"
    PROFILE = "colour profile"
