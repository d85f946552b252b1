"""Ground truth alone; the LR image of each is made when it is read."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from basicsr.data.data_util import paths_from_lmdb, scandir
from basicsr.data.transforms import augment
from basicsr.utils import FileClient, imfrombytes, img2tensor
from basicsr.utils.registry import DATASET_REGISTRY
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.functional import normalize

from segsr_arch.compat.image_reading import converting
from segsr_arch.compat.registration import register
from segsr_arch.degradations.bicubic import bicubic_taps, make_lr, mod_crop
from segsr_arch.errors import DataError
from segsr_arch.images.conversion import CONVERSION_KEYS
from segsr_arch.option_keys import Key, needed
from segsr_arch.sources.name_lists import read_names

# An LR pixel is made of those of its own block and of two blocks on each side, for every scale.
_MARGIN = 2


@register(DATASET_REGISTRY)
@converting
class BicubicPairedDataset(Dataset[dict[str, Tensor | str]]):
    """Pairs of a ground truth image and its bicubic reduction, from ground truth images only.

    .. code-block:: yaml

        train:
          name: UCMerced
          type: BicubicPairedDataset
          dataroot_gt: datasets/UCMerced/train/HR_x4.lmdb
          io_backend: {type: lmdb}
          gt_size: 256
          use_hflip: true
          use_rot: true

    The LR image has the pixels, of 8 bits, that ``segsr prepare`` writes, and with the same seed a training gets the
    patches that BasicSR's ``PairedImageDataset`` cuts from those files. The ground truth is cut at its right and lower
    edge to a multiple of the scale.

    Args:
        opt: Options of a data set as BasicSR completes them: ``dataroot_gt``, a folder or, with ``io_backend: {type:
            lmdb}``, an LMDB; ``meta_info_file``, a list of names, one a line, what follows a space is not read;
            ``scale``, 2 to 16; ``phase``; for ``train`` also ``gt_size``, the side of a patch, ``use_hflip`` and
            ``use_rot``; ``mean`` and ``std``, to normalise both images by; ``value_range``
            and ``bands``, the values and bands that are used of images that are not RGB of 8 bits.

    Raises:
        DataError: If the scale is none that can be made, or the list cannot be read.
    """

    option_keys = {
        "dataroot_gt": needed("text", help="folder or LMDB of the ground truth"),
        "meta_info_file": Key("text", help="list of the images to read, a name a line; without it all are read"),
        "gt_size": Key("int", minimum=1, unit="HR pixels", help="side of a patch, a multiple of the scale"),
        "use_hflip": Key("bool", help="flip patches at random"),
        "use_rot": Key("bool", help="turn patches by 90 degrees at random"),
        **CONVERSION_KEYS,
    }
    listed_roots = ("dataroot_gt",)  # what the option check lists
    patches_from = "dataroot_gt"  # and what it compares gt_size with

    def __init__(self, opt: Mapping[str, Any]) -> None:
        super().__init__()
        self.opt = opt
        self._scale = opt["scale"]
        bicubic_taps(self._scale)  # refuses a scale that cannot be made now, and not with the first image
        self._client: FileClient | None = None  # opened by the process that reads
        root = opt["dataroot_gt"]
        if opt["io_backend"]["type"] == "lmdb":
            paths = paths_from_lmdb(root)
        elif opt.get("meta_info_file") is not None:
            paths = [str(Path(root, name)) for name in read_names(opt["meta_info_file"])]
        else:
            paths = sorted(scandir(root, full_path=True))
        self.paths = [{"lq_path": path, "gt_path": path} for path in paths]  # as those of a paired data set

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Tensor | str]:
        """Read a pair.

        Args:
            index: Place in :attr:`paths`.

        Returns:
            ``gt`` (3, sH, sW) and ``lq`` (3, H, W), RGB in [0, 1] before ``mean`` and ``std``, and ``gt_path`` and
            ``lq_path``, both the path of the ground truth.

        Raises:
            DataError: If the image cannot be read, is not of 8 bits, or is smaller than ``gt_size``.
        """
        path = self.paths[index]["gt_path"]
        image = imfrombytes(self._read(path), float32=False)
        try:
            gt, lq = self._patch(image) if self.opt["phase"] == "train" else self._whole(image)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        if self.opt["phase"] == "train":
            gt, lq = augment([gt, lq], self.opt["use_hflip"], self.opt["use_rot"])
        scaled = [np.float32(part) / 255.0 for part in (gt, lq)]
        gt, lq = img2tensor(scaled, bgr2rgb=True, float32=True)
        mean, std = self.opt.get("mean"), self.opt.get("std")
        if mean is not None or std is not None:
            normalize(gt, mean, std, inplace=True)
            normalize(lq, mean, std, inplace=True)
        return {"lq": lq, "gt": gt, "lq_path": path, "gt_path": path}

    def _read(self, path: str) -> bytes:
        if self._client is None:
            backend = dict(self.opt["io_backend"])
            kind = backend.pop("type")
            if kind == "lmdb":
                backend |= {"db_paths": [self.opt["dataroot_gt"]], "client_keys": ["gt"]}
            self._client = FileClient(kind, **backend)
        content: bytes = self._client.get(path, "gt")  # which may know where it was read
        return content

    def _whole(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gt = mod_crop(image, self._scale)
        return gt, make_lr(gt, self._scale)

    def _patch(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cut a patch at a random place, drawn as BasicSR draws it, and reduce no more than what it depends on."""
        scale, side = self._scale, self.opt["gt_size"] // self._scale
        height, width = (length // scale for length in image.shape[:2])
        if min(height, width) < side:
            size = f"{image.shape[1]} x {image.shape[0]}"
            raise DataError(f"{size} pixels are too few for patches of gt_size: {self.opt['gt_size']}")
        top = random.randint(0, height - side)
        left = random.randint(0, width - side)
        rows, columns = _with_margin(top, side, height), _with_margin(left, side, width)
        lq = make_lr(image[rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale], scale)
        lq = lq[top - rows.start :, left - columns.start :][:side, :side]
        gt = image[top * scale : (top + side) * scale, left * scale : (left + side) * scale]
        return gt, lq


def _with_margin(start: int, length: int, end: int) -> slice:
    """Extend a range by the margin on both sides, as far as there is an image."""
    return slice(max(0, start - _MARGIN), min(end, start + length + _MARGIN))
