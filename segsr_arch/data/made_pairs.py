"""Pairs from ground truth alone: what the data sets share that make the LR image of each when it is read."""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from basicsr.data.data_util import paths_from_lmdb, scandir
from basicsr.data.transforms import augment
from basicsr.utils import FileClient, imfrombytes, img2tensor
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.functional import normalize

from segsr_arch.captions.files import check_captions, read_captions
from segsr_arch.compat.image_reading import converting
from segsr_arch.degradations.bicubic import bicubic_taps, mod_crop
from segsr_arch.errors import DataError
from segsr_arch.images.conversion import CONVERSION_KEYS
from segsr_arch.option_keys import Key, needed
from segsr_arch.sources.image_names import name_below
from segsr_arch.sources.name_lists import read_names


@dataclass(frozen=True, kw_only=True)
class LrImages:
    """What is made of a ground truth image.

    Attributes:
        images: (H / scale, W / scale, 3) uint8 by key of the item; ``lq`` is among them.
        facts: What else belongs to the item, by key.
    """

    images: Mapping[str, np.ndarray]
    facts: Mapping[str, Tensor | str] = field(default_factory=dict)


@converting
class MadePairs(Dataset[dict[str, Tensor | str]], ABC):
    """Base of data sets whose LR images are made of ground truth images when these are read.

    A patch is cut with a margin, flipped and turned, and then reduced: what lies beyond its edges counts, and what has
    a direction (a kernel, stripes) has it as it was made. The random numbers are drawn as BasicSR's
    ``PairedImageDataset`` draws them, so with one seed both get the same patches of the ground truth.

    Args:
        opt: Options of a data set as BasicSR completes them: ``dataroot_gt``, a folder with all folders in it, or, with
            ``io_backend: {type: lmdb}``, an LMDB; ``meta_info_file``, a list of names, one a line, what follows a space
            is not read; ``scale``, 2 to 16; ``phase``; for ``train`` also ``gt_size``, the side of a patch,
            ``use_hflip`` and ``use_rot``; ``mean`` and ``std``, to normalise the images by; ``value_range`` and
            ``bands``, the values and bands that are used of images that are not RGB of 8 bits; ``caption_file``, whose
            captions items then have as ``caption``.

    Attributes:
        paths: ``lq_path`` and ``gt_path`` of each image, both the path (in an LMDB, the key) of the ground truth.

    Raises:
        DataError: If the scale is none that can be made, the list or the captions cannot be read, or an image has none.
    """

    option_keys: ClassVar[Mapping[str, Key]] = {
        "dataroot_gt": needed("text", help="folder, those in it included, or LMDB of the ground truth"),
        "meta_info_file": Key("text", help="list of the images to read, a name a line; without it all are read"),
        "gt_size": Key("int", minimum=1, unit="HR pixels", help="side of a patch, a multiple of the scale"),
        "use_hflip": Key("bool", help="flip patches at random"),
        "use_rot": Key("bool", help="turn patches by 90 degrees at random"),
        "caption_file": Key("text", help="captions of the images, as segsr caption writes them; null for none"),
        **CONVERSION_KEYS,
    }
    listed_roots = ("dataroot_gt",)  # what the option check lists
    reads_folders_below = True  # also in folders there
    patches_from = "dataroot_gt"  # and what it compares gt_size with

    def __init__(self, opt: Mapping[str, Any]) -> None:
        super().__init__()
        self.opt = opt
        self.scale: int = opt["scale"]
        bicubic_taps(self.scale)  # refuses a scale that cannot be made now, and not with the first image
        self._client: FileClient | None = None  # opened by the process that reads
        root = opt["dataroot_gt"]
        if opt["io_backend"]["type"] == "lmdb":
            paths = paths_from_lmdb(root)
        elif opt.get("meta_info_file") is not None:
            paths = [str(Path(root, name)) for name in read_names(opt["meta_info_file"])]
        else:
            paths = sorted(scandir(root, recursive=True, full_path=True))
        self.paths = [{"lq_path": path, "gt_path": path} for path in paths]  # as those of a paired data set
        self.captions = _captions(opt.get("caption_file"), map(self.name_of, paths))

    @classmethod
    def check_values(cls, options: Mapping[str, Any], *, scale: int, names: Sequence[str]) -> None:
        """Let the option check read what the keys alone do not tell.

        Args:
            options: Options of the data set, whose keys are right.
            scale: From HR to LR.
            names: Names of the images, see :func:`~segsr_arch.sources.image_names.name_below`.

        Raises:
            DataError: If the captions cannot be read, or an image has none.
        """
        _captions(options.get("caption_file"), names)

    @property
    @abstractmethod
    def margin(self) -> int:
        """LR pixels beyond each edge of a patch on which the patch depends."""

    @abstractmethod
    def degrade(self, hr: np.ndarray, path: str) -> LrImages:
        """Make the LR image of a ground truth image, or of a part of one.

        Args:
            hr: (H, W, 3) RGB uint8; H and W are multiples of the scale.
            path: Path or key of the ground truth.
        """

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Tensor | str]:
        """Read a pair.

        Args:
            index: Place in :attr:`paths`.

        Returns:
            ``gt`` (3, sH, sW) and the images of :meth:`degrade` (3, H, W), RGB in [0, 1] before ``mean`` and ``std``;
            its facts; ``gt_path`` and ``lq_path``, both the path of the ground truth; ``caption`` if there are any.

        Raises:
            DataError: If the image cannot be read, is not of 8 bits, or is smaller than ``gt_size`` or the scale.
        """
        path = self.paths[index]["gt_path"]
        image = imfrombytes(self._read(path), float32=False)[..., ::-1]
        try:
            if self.opt["phase"] == "train":
                hr, top, left, height, width = self._patch(image)
            else:
                hr, top, left = mod_crop(image, self.scale), 0, 0
                if not hr.size:
                    size = f"{image.shape[1]} x {image.shape[0]}"
                    raise DataError(f"{size} pixels are less than one LR pixel at scale {self.scale}: remove the image")
                height, width = (length // self.scale for length in hr.shape[:2])
            made = self.degrade(hr, path)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        images = {key: part[top : top + height, left : left + width] for key, part in made.images.items()}
        top, left, height, width = (self.scale * number for number in (top, left, height, width))
        images["gt"] = hr[top : top + height, left : left + width]
        said = {} if self.captions is None else {"caption": self.captions[self.name_of(path)]}
        return {**self._tensors(images), **made.facts, **said, "lq_path": path, "gt_path": path}

    def name_of(self, path: str) -> str:
        """Name an image as lists, captions and prepared data sets do."""
        return name_below(self.opt["dataroot_gt"], path)

    def _read(self, path: str) -> bytes:
        if self._client is None:
            backend = dict(self.opt["io_backend"])
            kind = backend.pop("type")
            if kind == "lmdb":
                backend |= {"db_paths": [self.opt["dataroot_gt"]], "client_keys": ["gt"]}
            self._client = FileClient(kind, **backend)
        content: bytes = self._client.get(path, "gt")  # which may know where it was read
        return content

    def _patch(self, image: np.ndarray) -> tuple[np.ndarray, int, int, int, int]:
        """Cut a patch with its margin at a random place, flip and turn it.

        Returns:
            The piece of HR, and top, left, height and width of the patch in it, in LR pixels.
        """
        scale, side = self.scale, self.opt["gt_size"] // self.scale
        height, width = (length // scale for length in image.shape[:2])
        if min(height, width) < side:
            size = f"{image.shape[1]} x {image.shape[0]}"
            raise DataError(f"{size} pixels are too few for patches of gt_size: {self.opt['gt_size']}")
        top = random.randint(0, height - side)
        left = random.randint(0, width - side)
        rows, columns = self._with_margin(top, side, height), self._with_margin(left, side, width)
        piece = image[rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale]
        flips = (self.opt["use_hflip"], self.opt["use_rot"])
        piece, (mirrored, upended, turned) = augment(np.ascontiguousarray(piece), *flips, return_status=True)
        above = rows.stop - top - side if upended else top - rows.start
        before = columns.stop - left - side if mirrored else left - columns.start
        return piece, *((before, above) if turned else (above, before)), side, side

    def _with_margin(self, start: int, length: int, end: int) -> slice:
        """Extend a range by the margin on both sides, as far as there is an image."""
        return slice(max(0, start - self.margin), min(end, start + length + self.margin))

    def _tensors(self, images: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        mean, std = self.opt.get("mean"), self.opt.get("std")
        tensors = {}
        for key, image in images.items():
            tensor = img2tensor(np.float32(image) / 255.0, bgr2rgb=False, float32=True)
            if mean is not None or std is not None:
                normalize(tensor, mean, std, inplace=True)
            tensors[key] = tensor
        return tensors


def _captions(path: str | None, names: Iterable[str]) -> Mapping[str, str] | None:
    """Read the captions of a data set, of which each image must have one; ``None`` without a file."""
    if path is None:
        return None
    captions = read_captions(path)
    check_captions(captions, names, path=path)
    return captions
