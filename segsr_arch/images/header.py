"""What an image file says of itself before its pixels: the same few facts for every format."""

from dataclasses import dataclass

import numpy as np

TURNED_BY_90 = (5, 6, 7, 8)


@dataclass(frozen=True, kw_only=True)
class ImageHeader:
    """The facts of one image file.

    Attributes:
        format: ``PNG``, ``JPEG``, ``WebP``, ``TIFF`` and the like.
        stored_height: Rows in the file.
        stored_width: Columns in the file.
        bands: Bands that decoding gives, an alpha channel among them; a palette counts as the colours it stands for.
        bits: Bits that the file has for a sample; of a palette, for a sample of its colours.
        dtype: numpy's name of the type that decoding gives. Fewer than 8 bits are spread over ``uint8``.
        colours: ``grey``, ``RGB``, ``bands`` (not said to be colours), or the name of what is none of these.
        alpha: Whether the last band is an alpha channel.
        palette: Whether the colours are looked up in a palette.
        orientation: EXIF's number, 1 to 8; 1 is upright.
        pages: Number of images in the file, without smaller copies and masks.
        profile: Name of an embedded colour profile that is not sRGB; ``None`` without one.
    """

    format: str
    stored_height: int
    stored_width: int
    bands: int
    bits: int
    dtype: str
    colours: str
    alpha: bool = False
    palette: bool = False
    orientation: int = 1
    pages: int = 1
    profile: str | None = None

    @property
    def height(self) -> int:
        """Rows as people see the image."""
        return self.stored_width if self.orientation in TURNED_BY_90 else self.stored_height

    @property
    def width(self) -> int:
        """Columns as people see the image."""
        return self.stored_height if self.orientation in TURNED_BY_90 else self.stored_width

    @property
    def decoded_bytes(self) -> int:
        """Memory that the decoded samples need."""
        return self.stored_height * self.stored_width * self.bands * np.dtype(self.dtype).itemsize

    @property
    def described_bands(self) -> str:
        """The bands in words: ``13 bands``, ``RGB and alpha``."""
        if self.colours == "bands" or self.bands - self.alpha not in (1, 3):
            return f"{self.bands} band{'s' if self.bands > 1 else ''}"
        return self.colours + (" and alpha" if self.alpha else "")
