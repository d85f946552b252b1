"""Lists of images are read in any encoding, and keys that are paths are refused.

Symptom: the first name of a list is not found; UTF-16 ends in a traceback; there is an image without a name.
Cause: data sets open ``meta_info_file`` and the like in the locale's encoding, so that a byte order mark becomes a part
of the first name; an empty line at the end is an image. Keys of an LMDB are cut at their first dot, though they are
stored with it.
"""

import io
import os
from collections.abc import Sequence

from segsr_arch.compat.patching import module_or_none, replace_stock
from segsr_arch.errors import DataError
from segsr_arch.sources.name_lists import filled_lines, read_meta_info

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


def repair() -> bool:
    """Give each module that reads such lists an ``open`` of its own; read LMDBs by the whole key."""
    there = [module_or_none(f"basicsr.data.{name}") for name in _READERS]
    modules = [module for module in there if module is not None]
    stock = [module for module in modules if not hasattr(module, "open")]
    for module in stock:
        vars(module)["open"] = _open_list
    for new in (_paths_from_lmdb, _paired_paths_from_lmdb):
        replace_stock(modules[0], new.__name__.removeprefix("_"), new, uses=("open", "meta_info.txt"))
    return bool(stock)


def _open_list(path: str, mode: str = "r") -> io.StringIO:
    """Stand in for ``open`` where BasicSR reads a list of images: text without marks, empty lines, carriage returns."""
    if os.path.basename(path) == "meta_info.txt" and os.path.dirname(path).endswith(".lmdb"):
        read_meta_info(os.path.dirname(path))  # keys that are paths
    return io.StringIO("".join(f"{line}\n" for line in filled_lines(path).values()), newline="\n")


def _paths_from_lmdb(folder: str) -> list[str]:
    return list(read_meta_info(folder))


def _paired_paths_from_lmdb(folders: Sequence[str], keys: Sequence[str]) -> list[dict[str, str]]:
    lists = [set(_paths_from_lmdb(folder)) for folder in folders]
    if lists[0] != lists[1]:
        only = sorted(lists[0] ^ lists[1])[0]
        raise DataError(f"{folders[0]} and {folders[1]} list different images, such as {only}; prepare them anew")
    return [{f"{key}_path": name for key in keys} for name in sorted(lists[0])]
