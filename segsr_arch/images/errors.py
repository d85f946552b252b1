"""The error of an image file that cannot be used."""

from segsr_arch.errors import DataError
from segsr_arch.images.findings import Finding


class ImageReadError(DataError):
    """An image is missing, does not decode, or holds what cannot be used here.

    Attributes:
        finding: What is the matter with it.
    """

    def __init__(self, message, finding=Finding.BROKEN):
        # A DataLoader rebuilds a worker's exception from its printed traceback; only our own words are kept.
        super().__init__(str(message).rpartition(f"{type(self).__name__}: ")[2].strip())
        self.finding = finding

    def of(self, source: object) -> "ImageReadError":
        """Give the same error with the name of the file in front, as a sentence."""
        verb = " does not decode" if self.finding is Finding.BROKEN else ""
        return ImageReadError(f"{source}{verb}: {self}.", self.finding)
