"""From an image as it is stored to three bands, and what has to be asked for on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segsr_arch.images.errors import Finding, ImageReadError
from segsr_arch.images.header import ImageHeader
from segsr_arch.option_keys import Key

CONVERSION_KEYS = {
    "value_range": Key("list", items="number", help="the values that become 0 and 255: [LO, HI]"),
    "bands": Key("list", items="int", help="the bands, from 1, that become R, G and B, or the one that becomes grey"),
}
"""Options of a data set that ask for a conversion."""

Note = tuple[Finding, str]
_COLOURS = ("grey", "RGB", "bands")


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What was asked for: how images become three bands of 8 bits that are not.

    Attributes:
        value_range: The values that become 0 and 255 in images of more than 8 bits.
        bands: Numbers, from 1, of the bands that become red, green and blue; a single one becomes grey. An alpha
            channel is a band like the others then: near infrared is often called so.
        range_key: How to ask for a range, for messages.
        bands_key: How to ask for three bands, for messages, with places for their numbers.
        band_key: How to ask for one.
    """

    value_range: tuple[float, float] | None = None
    bands: tuple[int, ...] | None = None
    range_key: str = "--range LO HI"
    bands_key: str = "--bands {} {} {}"
    band_key: str = "--bands 1"

    @classmethod
    def of_data_set(cls, options: Mapping[str, Any]) -> "Conversion":
        """Read ``value_range`` and ``bands`` from the options of a data set, or from what :meth:`as_record` gave."""
        value_range, bands = options.get("value_range"), options.get("bands")
        return cls(
            value_range=None if value_range is None else tuple(value_range),
            bands=None if bands is None else tuple(bands),
            range_key="value_range: [LO, HI]",
            bands_key="bands: [{}, {}, {}]",
            band_key="bands: [1]",
        )

    @property
    def asks(self) -> bool:
        """Whether anything was asked for."""
        return self.value_range is not None or self.bands is not None

    def as_record(self) -> dict[str, list[float]]:
        """Give what was asked for as what JSON can hold."""
        asked = {"value_range": self.value_range, "bands": self.bands}
        return {key: list(values) for key, values in asked.items() if values is not None}

    def asking_for_bands(self, colours: str = "bands") -> str:
        """How to ask for three bands: those that an image calls red, green and blue, or the usual order of a sensor."""
        return self.bands_key.format(*((1, 2, 3) if colours == "RGB" else (3, 2, 1)))

    def problem(self) -> str | None:
        """Say what is wrong with what was asked for, if anything is."""
        if self.value_range is not None and not (
            len(self.value_range) == 2 and self.value_range[0] < self.value_range[1]
        ):
            return f"{self.range_key}: expected two values, the smaller one first"
        if self.bands is not None and (len(self.bands) not in (1, 3) or min(self.bands) < 1):
            return f"{self.asking_for_bands()}: expected the numbers of three bands or of one, counted from 1"
        return None


AS_STORED = Conversion()


def refusal(header: ImageHeader, conversion: Conversion, *, deep: bool = False) -> Note | None:
    """Tell by its header alone whether an image cannot be used.

    Args:
        header: Its header.
        conversion: What was asked for.
        deep: Whether 16 bits can be used as they are.

    Returns:
        What is the matter with it; ``None`` if it can be used (as far as the header says).
    """
    bands = header.bands if conversion.bands is not None else header.bands - header.alpha
    if header.colours not in _COLOURS:
        return Finding.BANDS, f"its colours are {header.colours}, neither RGB nor grey; save it as RGB"
    if conversion.bands is not None and max(conversion.bands) > bands:
        return Finding.BANDS, f"it has {header.described_bands}, and band {max(conversion.bands)} is asked for"
    if conversion.bands is None and bands not in (1, 3):
        asking = f"{conversion.asking_for_bands(header.colours)} which become red, green and blue"
        if bands < 3:
            asking = f"{conversion.band_key} which becomes grey"
        return Finding.BANDS, f"it has {header.described_bands}, and three or one can be used; say with {asking}"
    kept = header.dtype == "uint8" or (deep and header.dtype == "uint16")
    if not kept and (conversion.value_range is None or np.dtype(header.dtype).kind not in "uif"):
        return (
            Finding.DEPTH,
            f"it has {_samples(header)}; say with {conversion.range_key} which values are black and white",
        )
    return None


def notes_of(header: ImageHeader, conversion: Conversion, *, deep: bool = False) -> list[Note]:
    """Say what using an image does to it, and what it does not do.

    Args:
        header: Header of an image that can be used.
        conversion: What was asked for.
        deep: Whether 16 bits can be used as they are.
    """
    notes: list[Note] = []
    if header.orientation != 1:
        notes.append((Finding.TURNED, f"EXIF orientation {header.orientation}; turned as people see it"))
    if header.palette:
        notes.append((Finding.PALETTE, "palette image; its colours were looked up"))
    if header.alpha and conversion.bands is None:
        notes.append((Finding.ALPHA, "alpha channel, opaque everywhere; dropped"))
    if conversion.bands is not None:
        if header.alpha:
            notes.append((Finding.ALPHA, "alpha channel, a band like the others since bands are named"))
        listed = ", ".join(map(str, conversion.bands))
        notes.append((Finding.BANDS, f"{header.described_bands}; {listed} became {_target(len(conversion.bands))}"))
    if header.dtype != "uint8" and conversion.value_range is not None:
        low, high = conversion.value_range
        notes.append((Finding.DEPTH, f"{_samples(header)}; {low:g}..{high:g} became 0..255"))
    elif header.dtype != "uint8":
        text = f"{_samples(header)}; 0..65535 is the range of values, unless {conversion.range_key} says another"
        notes.append((Finding.DEPTH, text))
    if header.bands - header.alpha == 1 and conversion.bands is None:
        notes.append((Finding.GRAYSCALE, "one band; repeated three times"))
    if header.profile is not None:
        notes.append((Finding.PROFILE, f"embedded colour profile: {header.profile}, not sRGB; not applied"))
    if header.pages > 1:
        notes.append((Finding.PAGES, f"{header.pages} pages; the first one is used"))
    return notes


def convert(
    image: np.ndarray, header: ImageHeader, conversion: Conversion, *, deep: bool = False
) -> tuple[np.ndarray, list[Note]]:
    """Bring a decoded image to three bands, of 8 bits unless it may be deep.

    Args:
        image: (H, W, bands) as :func:`~segsr_arch.images.reading.decode` gives it.
        header: Its header.
        conversion: What was asked for.
        deep: Whether 16 bits can be used as they are.

    Returns:
        (H, W, 3) RGB, ``uint8`` or, if deep, ``uint16``; and what was done.

    Raises:
        ImageReadError: If that would lose something that nobody has asked to lose: depth, bands, transparency.
    """
    refused = refusal(header, conversion, deep=deep)
    if image.dtype.kind == "f":
        broken = image.size - int(np.isfinite(image).sum())
        if broken:
            raise ImageReadError(f"it holds NaN or infinity in {broken} of {image.size} values", Finding.DEPTH)
    if refused is not None:
        finding, sentence = refused
        if finding is Finding.DEPTH:
            sentence = f"its values go from {image.min():g} to {image.max():g}: {sentence}"
        raise ImageReadError(sentence, finding)
    if header.alpha and conversion.bands is None:
        opaque = np.iinfo(image.dtype).max if image.dtype.kind in "ui" else 1.0
        if not (image[..., -1] >= opaque).all():
            raise ImageReadError(
                f"it has transparent pixels, of which nothing is known; if its last band is no alpha channel, say with "
                f"{conversion.asking_for_bands(header.colours)} which bands are meant",
                Finding.ALPHA,
            )
        image = image[..., :-1]
    if conversion.bands is not None:
        image = image[..., [number - 1 for number in conversion.bands]]
    if image.dtype != np.uint8 and conversion.value_range is not None:
        image = _to_8_bits(image, conversion.value_range)
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    return image, notes_of(header, conversion, deep=deep)


def _to_8_bits(image: np.ndarray, value_range: tuple[float, float]) -> np.ndarray:
    low, high = value_range

    def scaled(values: np.ndarray) -> npt.NDArray[np.uint8]:
        grey: npt.NDArray[np.float64] = (values.astype(np.float64) - low) * (255.0 / (high - low))
        return np.asarray(np.rint(grey.clip(0, 255)), np.uint8)

    if image.dtype == np.uint16:
        return np.take(scaled(np.arange(1 << 16)), image)
    made = np.empty(image.shape, np.uint8)
    for band in range(image.shape[2]):  # one at a time: they are held as numbers of 64 bits meanwhile
        made[..., band] = scaled(image[..., band])
    return made


def _samples(header: ImageHeader) -> str:
    kind = "" if header.dtype.startswith("uint") else f" ({header.dtype})"
    return f"{header.bits} bits a sample{kind}"


def _target(count: int) -> str:
    return "grey" if count == 1 else "red, green and blue"
