"""BasicSR reads images by one set of rules, and names those that cannot be used.

Symptom: "'NoneType' object has no attribute 'astype'" without a path; 16 bits that become 8, and four bands three.
Cause: ``imfrombytes`` and ``read_img_seq`` cut 16 bits to 8 and drop a fourth band without a word; OpenCV returns None
for what it cannot decode; ``read_img_worker`` passes over EXIF orientation, unlike the others.
"""

import os
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from segsr_arch.compat.image_reading import SourcedBytes, converting, imfrombytes
from segsr_arch.compat.patching import is_stock, module_or_none, substitute
from segsr_arch.compat.registration import find
from segsr_arch.images.errors import ImageReadError

CONVERTING_DATASETS = (
    "PairedImageDataset",
    "SingleImageDataset",
    "RealESRGANPairedDataset",
    "RealESRGANDataset",
    "FFHQDataset",
)
"""Data sets of BasicSR that know ``value_range`` and ``bands``."""


def repair() -> bool:
    """Let contents of files carry their source, and every reader read as :mod:`segsr_arch.images` does."""
    import basicsr.data  # noqa: F401 - fills the registry
    from basicsr.utils.file_client import FileClient
    from basicsr.utils.registry import DATASET_REGISTRY

    places = (
        ("basicsr.utils.img_util", "imdecode", imfrombytes),
        ("basicsr.data.data_util", "img2tensor", read_img_seq),
        ("basicsr.utils.lmdb_util", "imread", read_img_worker),
    )
    found = [(getattr(module_or_none(place), new.__name__, None), name, new) for place, name, new in places]
    readers = [(old, name, new) for old, name, new in found if old is not None]
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


def _sourced(stock: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``FileClient.get`` so that contents carry their source."""

    def get(self: Any, filepath: Any, client_key: str = "default") -> SourcedBytes:
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


def read_img_seq(
    path: str | list[str], require_mod_crop: bool = False, scale: int = 1, return_imgname: bool = False
) -> Any:
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


def read_img_worker(path: str, key: str, compress_level: int) -> tuple[str, np.ndarray, tuple[int, ...]]:
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
