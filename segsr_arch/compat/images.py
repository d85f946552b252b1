"""BasicSR's loops read images by the rules of :mod:`segsr_arch.images`."""

import functools
import os
from contextvars import ContextVar

import cv2
import numpy as np

from segsr_arch.compat.patching import is_stock, module_or_none, substitute
from segsr_arch.compat.registration import find
from segsr_arch.images.conversion import AS_STORED, Conversion
from segsr_arch.images.errors import Finding, ImageReadError
from segsr_arch.images.reading import read_bgr, read_unchanged

CONVERTING_DATASETS = (
    "PairedImageDataset",
    "SingleImageDataset",
    "RealESRGANPairedDataset",
    "RealESRGANDataset",
    "FFHQDataset",
)
"""Data sets of BasicSR that know ``value_range`` and ``bands``."""

_conversion = ContextVar("conversion", default=AS_STORED)


class SourcedBytes(bytes):
    """File contents that know where they come from, in ``source``, and the folder or LMDB, in ``folder``."""

    source = "An image"
    folder = ""


def converting(cls):
    """Let a data set class read images as ``value_range`` and ``bands`` of its options say, in place.

    Args:
        cls: Class whose ``__getitem__`` reads images with BasicSR's ``imfrombytes``, and whose ``opt`` are its options.

    Returns:
        The class.
    """
    stock = cls.__getitem__

    @functools.wraps(stock)
    def __getitem__(self, index):  # noqa: N807 - the method's own name
        token = _conversion.set(Conversion.of_data_set(self.opt))
        try:
            return stock(self, index)
        finally:
            _conversion.reset(token)

    cls.__getitem__ = __getitem__
    return cls


def _sourced(stock):
    """Wrap ``FileClient.get`` so that contents carry their source."""

    def get(self, filepath, client_key="default"):
        content = stock(self, filepath, client_key)
        source = str(filepath)
        folder = os.path.dirname(source)
        if self.backend == "lmdb":
            folder = dict(zip(self.client._client, self.client.db_paths, strict=True))[client_key]
            source = f"{source} in {folder}"
            if content is None:
                raise ImageReadError(f"There is no {source}, although its meta_info.txt lists it. Prepare it anew.")
        content = SourcedBytes(content)
        content.source, content.folder = source, folder
        return content

    return get


def imfrombytes(content, flag="color", float32=False):
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


def read_img_seq(path, require_mod_crop=False, scale=1, return_imgname=False):
    """Read the frames of a sequence; takes the place of BasicSR's.

    Args:
        path: Folder, or list of files.
        require_mod_crop: Whether to cut frames at the right and lower edge to a multiple of ``scale``.
        scale: The scale.
        return_imgname: Whether to return the names without endings, too.

    Returns:
        (frames, 3, H, W) RGB, float32 in [0, 1]; and perhaps the names.

    Raises:
        ImageReadError: If a frame cannot be used; it is named.
    """
    import torch
    from basicsr.data.transforms import mod_crop
    from basicsr.utils import FileClient, img2tensor, scandir

    paths = path if isinstance(path, list) else sorted(scandir(path, full_path=True))
    client = FileClient("disk")
    images = [imfrombytes(client.get(file), float32=True) for file in paths]
    if require_mod_crop:
        images = [mod_crop(image, scale) for image in images]
    frames = torch.stack(img2tensor(images), dim=0)
    if return_imgname:
        return frames, [os.path.splitext(os.path.basename(file))[0] for file in paths]
    return frames


def read_img_worker(path, key, compress_level):
    """Read an image and encode it as PNG for an LMDB; takes the place of BasicSR's.

    Args:
        path: Image file.
        key: Its key in the LMDB, passed on.
        compress_level: Compression level of PNG.

    Returns:
        Key, bytes of the PNG file, and (height, width, bands).

    Raises:
        ImageReadError: If it does not decode.
    """
    from basicsr.utils import FileClient

    image = imfrombytes(FileClient("disk").get(path), flag="unchanged")
    encoded, png = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, compress_level])
    if not encoded:
        raise ImageReadError(f"{path} cannot be kept as PNG: it has the shape {image.shape} and {image.dtype} samples.")
    return key, png, (*image.shape, 1)[:3]


def repair_images():
    """Read images by one set of rules, and name those that cannot be used.

    Cause: ``imfrombytes`` and ``read_img_seq`` cut 16 bits to 8 and drop a fourth band without a word; OpenCV returns
    None for what it cannot decode, which ends in "'NoneType' object has no attribute 'astype'" without a path;
    ``read_img_worker`` passes over EXIF orientation, unlike the others.

    Returns:
        True if they were stock.
    """
    import basicsr.data  # noqa: F401 - fills the registry
    from basicsr.utils.file_client import FileClient
    from basicsr.utils.registry import DATASET_REGISTRY

    places = (
        ("basicsr.utils.img_util", "imdecode", imfrombytes),
        ("basicsr.data.data_util", "img2tensor", read_img_seq),
        ("basicsr.utils.lmdb_util", "imread", read_img_worker),
    )
    found = [(getattr(module_or_none(place), new.__name__, None), name, new) for place, name, new in places]
    readers = [reader for reader in found if reader[0] is not None]
    if not (all(is_stock(old, name) for old, name, _ in readers) and is_stock(FileClient.get, "backend")):
        return False
    FileClient.get = _sourced(FileClient.get)
    for old, _, new in readers:
        substitute(old, new)
    for name in CONVERTING_DATASETS:
        dataset = find(DATASET_REGISTRY, name)
        if dataset is not None and dataset.__module__.startswith("basicsr."):
            converting(dataset)
    return True
