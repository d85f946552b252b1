"""How data sets of BasicSR read images: by the rules of :mod:`segsr_arch.images`, as their options say."""

import functools
from contextvars import ContextVar
from typing import Any

import cv2
import numpy as np

from segsr_arch.images.conversion import AS_STORED, Conversion
from segsr_arch.images.errors import Finding, ImageReadError
from segsr_arch.images.reading import read_bgr, read_unchanged

_conversion = ContextVar("conversion", default=AS_STORED)


class SourcedBytes(bytes):
    """File contents that know where they come from, in ``source``, and the folder or LMDB, in ``folder``."""

    source = "An image"
    folder = ""


def converting(cls: Any) -> Any:
    """Let a data set class read images as ``value_range`` and ``bands`` of its options say, in place.

    Args:
        cls: Class whose ``__getitem__`` reads images with BasicSR's ``imfrombytes``, and whose ``opt`` are its options.

    Returns:
        The class.
    """
    stock = cls.__getitem__

    @functools.wraps(stock)
    def __getitem__(self: Any, index: Any) -> Any:  # noqa: N807 - the method's own name
        token = _conversion.set(Conversion.of_data_set(self.opt))
        try:
            return stock(self, index)
        finally:
            _conversion.reset(token)

    cls.__getitem__ = __getitem__
    return cls


def imfrombytes(content: bytes, flag: str = "color", float32: bool = False) -> np.ndarray:
    """Read an image from the bytes of its file; takes the place of BasicSR's.

    Args:
        content: The file's content.
        flag: ``color`` for three bands, BGR; ``grayscale`` for one; ``unchanged`` for what the file holds.
        float32: Whether values become float32 in [0, 1].

    Returns:
        (H, W, 3), for ``grayscale`` (H, W), for ``unchanged`` either or (H, W, bands).

    Raises:
        ImageReadError: If it does not decode, or would lose depth or bands that nobody has asked to lose.
    """
    source, folder = getattr(content, "source", "An image"), getattr(content, "folder", "")
    if flag == "unchanged":
        image = read_unchanged(content, source)
    else:
        conversion = _conversion.get()
        image = read_bgr(content, source, conversion, folder=folder)
        if flag == "grayscale":
            # Each codec has weights of its own for this, so that the values of old stay what they were.
            grey = None if conversion.asks else cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if grey is None else grey
    if float32 and image.dtype != "uint8":
        raise ImageReadError(
            f"{source} has {image.dtype} samples, of which nobody has said what is white.", Finding.DEPTH
        )
    return image.astype("float32") / 255.0 if float32 else image
