"""Pictures inside the page: every image once, lossless, cut to a part if it is large, and notes on what is missing."""

import base64
from collections.abc import Iterable

import cv2
import numpy as np

from segsr_arch.errors import DataError
from segsr_arch.results.references import ImageReference

MAX_SIDE = 1024
_LOSSLESS = [cv2.IMWRITE_WEBP_QUALITY, 101]  # above 100 means lossless


def centre_part(image: np.ndarray, *, scale: int, factor: int) -> np.ndarray:
    """Cut the middle out of a large image, the same part of the scene from the LR image and from larger ones.

    Args:
        image: (H, W, ...).
        scale: Upscaling factor s.
        factor: 1 for an LR image, s for SR and HR.

    Returns:
        A view of the image, at most ``MAX_SIDE`` (LR: ``MAX_SIDE // s``) pixels high and wide.
    """
    side = MAX_SIDE // scale * factor
    top, left = (max(0, (length - side) // 2) // factor * factor for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def to_display(image: np.ndarray) -> np.ndarray:
    """Make an image of any depth an 8-bit BGR one.

    Args:
        image: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA; uint8, uint16, or a float type.

    Returns:
        (H, W, 3) uint8. 16 bits become 8; floats of [0, 1] are scaled by 255, what lies outside is cut; alpha goes.
    """
    if image.dtype == np.uint16:
        image = np.rint(image / 257.0)
    elif image.dtype != np.uint8:
        image = np.rint(np.nan_to_num(image, posinf=1.0, neginf=0.0).clip(0, 1) * 255)
    image = image.reshape(*image.shape[:2], -1).astype(np.uint8)
    return np.repeat(image[..., :1], 3, axis=2) if image.shape[2] < 3 else np.ascontiguousarray(image[..., :3])


def encode(image: np.ndarray) -> str:
    """Encode an (H, W, 3) uint8 BGR image as a ``data:`` address with lossless WebP."""
    done, data = cv2.imencode(".webp", image, _LOSSLESS)
    if not done:
        raise DataError(f"An image of {image.shape[0]} x {image.shape[1]} pixels cannot be encoded as WebP.")
    return "data:image/webp;base64," + base64.b64encode(data).decode()


class Pictures:
    """The pictures of one section by short keys.

    Attributes:
        encoded: ``data:`` address by key.
        full_sizes: Height and width by key of what came of files, before the middle of a large one was cut out.
        missing: What could not be read, a line each, without repetition.
        cut: Size of the largest image of which only the middle is shown.
    """

    def __init__(self, *, scale: int) -> None:
        self._scale = scale
        self._keys: dict[tuple[str, tuple[int, int] | None], str | None] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self.encoded: dict[str, str] = {}
        self.full_sizes: dict[str, tuple[int, int]] = {}
        self.missing: list[str] = []
        self.cut: tuple[int, int] | None = None

    def add(self, image: np.ndarray) -> str:
        """Take an (H, W, 3) uint8 BGR image as it is; returns its key."""
        key = f"p{len(self.encoded)}"
        self.encoded[key] = encode(image)
        self._sizes[key] = image.shape[:2]
        return key

    def read(self, reference: ImageReference) -> np.ndarray | None:
        """Read an image; if that fails, the reason is noted and ``None`` returned."""
        try:
            return reference.read()
        except DataError as error:
            self.note_missing(str(error))
            return None

    def note_missing(self, reason: str) -> None:
        """Note why a picture is not shown."""
        if reason not in self.missing:
            self.missing.append(reason)

    def add_file(
        self, reference: ImageReference | None, *, factor: int, within: tuple[int, int] | None = None
    ) -> str | None:
        """Take an image from its file, once however often it is asked for.

        Args:
            reference: Where it is; ``None`` is passed on.
            factor: 1 for an LR image, the scale for SR and HR.
            within: Height and width, what is beyond which is cut off: the rest of an HR image that is no multiple of
                the scale.

        Returns:
            Its key; ``None`` if it cannot be read.
        """
        if reference is None:
            return None
        place = str(reference), within
        if place not in self._keys:
            self._keys[place] = None
            if (image := self.read(reference)) is not None:
                height, width = within or image.shape[:2]
                image = image[:height, :width]
                self._keys[place] = key = self.add(self._shown(image, factor))
                self.full_sizes[key] = image.shape[:2]
        return self._keys[place]

    def _shown(self, image: np.ndarray, factor: int) -> np.ndarray:
        part = centre_part(image, scale=self._scale, factor=factor)
        if part.shape[:2] != image.shape[:2]:
            self.cut = max(self.cut or (0, 0), tuple(length * self._scale // factor for length in image.shape[:2]))
        return to_display(part)

    def size(self, keys: Iterable[str | None]) -> tuple[int, int]:
        """Height and width of the first of the pictures that is there; (0, 0) if none is."""
        return next((self._sizes[key] for key in keys if key is not None), (0, 0))
