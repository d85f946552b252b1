"""What lies in folders is found: names composed or not, links that lead round, folders that are passed over.

Symptom: images that nobody reads, without a word; a scan that does not end; pairs of ``é`` and ``é`` that are none.
Cause: ``scandir`` passes over folders, links or not, and does not end on a link that leads back; LR and HR images, and
lists, are matched by bytes, so that ``é`` in two characters (macOS) is another name.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from segsr_arch.compat.patching import replace_stock, wrap_stock
from segsr_arch.errors import DataError
from segsr_arch.known_names import nearest
from segsr_arch.sources.folder_walk import on_disk, walk
from segsr_arch.sources.image_sources import folders_with_images
from segsr_arch.text import composed

_logger = logging.getLogger(__name__)


def repair() -> bool:
    """Walk folders once, say what is passed over, and compare names in their composed form."""
    from basicsr.data import data_util
    from basicsr.utils import misc
    from basicsr.utils.file_client import HardDiskBackend

    if not replace_stock(misc, "scandir", _scandir, uses=("TypeError",)):
        return False
    replace_stock(data_util, "paired_paths_from_folder", _paired_paths_from_folder, uses=("scandir",))
    wrap_stock(HardDiskBackend, "get", _composed_get, uses=("open",))
    return True


def _scandir(
    dir_path: str,
    suffix: str | tuple[str, ...] | None = None,
    recursive: bool = False,
    full_path: bool = False,
) -> Iterator[str]:
    """Stand in for ``scandir``: files by name, links to folders followed if folders are, and nothing that is hidden."""
    if suffix is not None and not isinstance(suffix, (str, tuple)):
        raise TypeError('"suffix" must be a string or tuple of strings')
    left_out: list[tuple[str, str]] = []
    for folder, names in walk(dir_path, left_out, passes_over=lambda name: name.startswith(".")):
        if not recursive and folder != ".":
            break
        for name in names:
            path = name if folder == "." else os.path.join(folder, name)
            if not name.startswith(".") and (suffix is None or path.endswith(suffix)):
                yield os.path.join(dir_path, path) if full_path else path
    if not recursive:
        left_out = [(name, "a folder with images, which are not read") for name in folders_with_images(dir_path)]
    for path, sentence in left_out:
        _logger.warning("%s: %s", os.path.join(dir_path, path), sentence)


def _paired_paths_from_folder(folders: Sequence[str], keys: Sequence[str], filename_tmpl: str) -> list[dict[str, str]]:
    (lq_folder, gt_folder), (lq_key, gt_key) = folders, keys
    lq_names, gt_names = (list(_scandir(folder)) for folder in folders)
    if len(lq_names) != len(gt_names):
        raise DataError(f"{lq_folder} holds {len(lq_names)} images and {gt_folder} {len(gt_names)}: these are no pairs")
    lq_by_name = {composed(name): name for name in lq_names}
    paths = []
    for gt_name in gt_names:
        stem, ending = os.path.splitext(gt_name)
        wanted = composed(f"{filename_tmpl.format(stem)}{ending}")
        if wanted not in lq_by_name:
            hint = nearest(wanted, lq_by_name)
            raise DataError(f"{os.path.join(gt_folder, gt_name)}: its partner {wanted} is not in {lq_folder}{hint}")
        pair = {lq_key: os.path.join(lq_folder, lq_by_name[wanted]), gt_key: os.path.join(gt_folder, gt_name)}
        paths.append({f"{key}_path": path for key, path in pair.items()})
    return paths


def _composed_get(stock: Callable[..., bytes]) -> Callable[..., bytes]:
    """Wrap ``HardDiskBackend.get`` so that it finds files whose names have other accents than lists write."""

    def get(self: Any, filepath: str) -> bytes:
        return stock(self, on_disk(filepath))

    return get
