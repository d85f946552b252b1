"""What can be said of an image file beside its pixels, and the error of one that cannot be used."""

from enum import Enum

from segsr_arch.errors import DataError, own_words


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


class ImageReadError(DataError):
    """An image is missing, does not decode, or holds what cannot be used here.

    Attributes:
        finding: What is the matter with it.
    """

    def __init__(self, message: object, finding: Finding = Finding.BROKEN) -> None:
        super().__init__(own_words(type(self), message))
        self.finding = finding

    def of(self, source: object) -> "ImageReadError":
        """Give the same error with the name of the file in front, as a sentence."""
        verb = " does not decode" if self.finding is Finding.BROKEN else ""
        return ImageReadError(f"{source}{verb}: {self}.", self.finding)
