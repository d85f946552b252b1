"""The error of an image file that cannot be used."""

from segsr_arch.errors import DataError


class ImageReadError(DataError):
    """An image is missing, does not decode, or holds what cannot be used here."""

    def __init__(self, message):
        # A DataLoader rebuilds a worker's exception from its printed traceback; only our own words are kept.
        super().__init__(str(message).rpartition(f"{type(self).__name__}: ")[2].strip())
