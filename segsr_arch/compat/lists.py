"""Lists of images and folders are read as they are meant: any encoding, names in any letters, links said."""

import io
import logging
import os

from segsr_arch.compat.patching import is_stock, module_or_none, substitute
from segsr_arch.errors import DataError
from segsr_arch.known_names import nearest
from segsr_arch.sources.folder_walk import on_disk, walk
from segsr_arch.sources.image_sources import folders_with_images
from segsr_arch.sources.lmdb_reading import read_meta_info
from segsr_arch.text import composed, read_lines

_READERS = (
    "data_util",
    "ffhq_dataset",
    "realesrgan_dataset",
    "realesrgan_paired_dataset",
    "reds_dataset",
    "single_image_dataset",
    "video_test_dataset",
    "vimeo90k_dataset",
)

_logger = logging.getLogger(__name__)


def _open_list(path, mode="r"):
    """Stand in for ``open`` where BasicSR reads a list of images: text without marks, empty lines, carriage returns."""
    if os.path.basename(path) == "meta_info.txt" and os.path.dirname(path).endswith(".lmdb"):
        read_meta_info(os.path.dirname(path))  # keys that are paths
    lines = (line for line in read_lines(path, "a list of images") if line.strip())
    return io.StringIO("".join(f"{line}\n" for line in lines), newline="\n")


def _paths_from_lmdb(folder):
    return list(read_meta_info(folder))


def _paired_paths_from_lmdb(folders, keys):
    lists = [set(_paths_from_lmdb(folder)) for folder in folders]
    if lists[0] != lists[1]:
        only = sorted(lists[0] ^ lists[1])[0]
        raise DataError(f"{folders[0]} and {folders[1]} list different images, such as {only}; prepare them anew")
    return [{f"{key}_path": name for key in keys} for name in sorted(lists[0])]


def repair_list_reading():
    """Read lists of images in any encoding, and refuse keys that are paths.

    Cause: data sets open ``meta_info_file`` and the like in the locale's encoding, so that a byte order mark becomes a
    part of the first name, UTF-16 ends in a traceback, and an empty line at the end is an image without a name. Keys of
    an LMDB are cut at their first dot, though they are stored with it.

    Returns:
        True if a module read its lists in that way.
    """
    there = [module_or_none(f"basicsr.data.{name}") for name in _READERS]
    modules = [module for module in there if module is not None]
    stock = [module for module in modules if not hasattr(module, "open")]
    for module in stock:
        module.open = _open_list
    data_util = modules[0]
    for old, new in (
        (data_util.paths_from_lmdb, _paths_from_lmdb),
        (data_util.paired_paths_from_lmdb, _paired_paths_from_lmdb),
    ):
        if is_stock(old, "open", "meta_info.txt"):
            substitute(old, new)
    return bool(stock)


def _scandir(dir_path, suffix=None, recursive=False, full_path=False):
    """Stand in for ``scandir``: files in the order of their names; links to folders are followed if folders are."""
    if suffix is not None and not isinstance(suffix, (str, tuple)):
        raise TypeError('"suffix" must be a string or tuple of strings')
    left_out = []
    for folder, names in walk(dir_path, left_out):
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


def _paired_paths_from_folder(folders, keys, filename_tmpl):
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


def _composed_get(stock):
    """Wrap ``HardDiskBackend.get`` so that it finds files whose names have other accents than lists write."""

    def get(self, filepath):
        return stock(self, on_disk(filepath))

    return get


def repair_folder_reading():
    """Find what lies in folders: names composed or not, links that lead round, folders that are passed over.

    Cause: ``scandir`` passes over folders, links or not, without a word, and does not end on a link that leads back;
    LR and HR images, and lists, are matched by bytes, so that ``é`` in two characters (macOS) is another name.

    Returns:
        True if it was stock.
    """
    from basicsr.data import data_util
    from basicsr.utils.file_client import HardDiskBackend
    from basicsr.utils.misc import scandir

    if not is_stock(scandir, "TypeError"):
        return False
    substitute(scandir, _scandir)
    if is_stock(data_util.paired_paths_from_folder, "scandir"):
        substitute(data_util.paired_paths_from_folder, _paired_paths_from_folder)
    if is_stock(HardDiskBackend.get, "open"):
        HardDiskBackend.get = _composed_get(HardDiskBackend.get)
    return True
