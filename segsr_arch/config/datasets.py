"""Checks of ``datasets:``: keys, loader settings, and, for stock paired data, the images themselves."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segsr_arch.config.calls import find_registered
from segsr_arch.config.dataset_tables import BACKEND, DATASET, DATASET_KEYS, LOADER_NEEDED, PATCH_NEEDED
from segsr_arch.config.image_kinds import check_kinds
from segsr_arch.config.images import Listing, image_sizes, list_images
from segsr_arch.config.mappings import check_folder_name, check_mapping, section_of
from segsr_arch.config.name_lists import check_stems, list_named
from segsr_arch.config.pairs import check_pairs, check_patch
from segsr_arch.config.paths import check_file
from segsr_arch.config.problems import Problems
from segsr_arch.images.conversion import CONVERSION_KEYS
from segsr_arch.option_keys import describe, is_number, is_whole
from segsr_arch.sources.image_names import image_name
from segsr_arch.text import composed

PAIRED_TYPES = ("PairedImageDataset", "RealESRGANPairedDataset")
LISTED_TYPES = {
    **dict.fromkeys(PAIRED_TYPES, ("dataroot_gt", "dataroot_lq")),
    "SingleImageDataset": ("dataroot_lq",),
    "FFHQDataset": ("dataroot_gt",),
}


@dataclass(frozen=True, kw_only=True)
class LrImages:
    """LR images of one entry of ``datasets:``, for checks against networks and metrics.

    Attributes:
        key: Its key there.
        phase: ``train``, ``val`` or ``test``.
        sizes: (height, width) by name.
    """

    key: str
    phase: str
    sizes: Mapping[str, tuple[int, int]]


def check_datasets(problems: Problems, opt: Mapping[str, Any], *, is_train: bool, world_size: int) -> list[LrImages]:
    """Check every entry of ``datasets:``.

    A data set class from elsewhere takes part by class attributes: ``option_keys``, a table of its keys
    (:mod:`segsr_arch.config.tables`); ``listed_roots``, the keys of folders and LMDBs whose images are listed;
    ``reads_folders_below``, true if it looks into folders in these folders, which data sets of BasicSR do not;
    ``patches_from``, the one of them from which ``gt_size`` is cut; and a class method ``check_values``, which is given
    options whose keys are right, the scale, and the names of the images there, and raises a ``SegsrError``.

    Args:
        problems: Where problems go.
        opt: The options.
        is_train: Whether the run trains.
        world_size: Number of processes.

    Returns:
        The LR images of the data sets whose classes say where they are.
    """
    section = opt.get("datasets")
    images: list[LrImages] = []
    if not isinstance(section, Mapping):
        return images
    wanted = ("train", "val") if is_train else ("test", "val")
    for name, options in section.items():
        here, phase = problems.at("datasets", name), str(name).split("_")[0]
        if phase not in wanted or (phase == "train" and name != "train"):
            here.unknown(str(name), wanted, f"unknown phase; expected {' or '.join(wanted)}, or val_2 and the like")
        elif not isinstance(options, Mapping):
            here.add(f"expected a mapping of keys, got {describe(options)}")
        else:
            sizes = _check_dataset(here, phase, options, opt, world_size)
            images.append(LrImages(key=str(name), phase=phase, sizes=sizes))
    _check_names(problems.at("datasets"), section)
    if is_train and "train" not in section:
        problems.at("datasets", "train").add("is missing; expected a mapping of keys")
    if not is_train and not section:
        problems.at("datasets").add("names no data set to test on")
    return images


def _check_names(here: Problems, section: Mapping[str, Any]) -> None:
    """Names of data sets become folders of results, so those that are measured must differ."""
    first: dict[str, str] = {}
    for phase in section:
        name, place = section_of(section, phase).get("name"), here.at(phase, "name")
        if not isinstance(name, str):
            continue
        check_folder_name(place, name)
        if str(phase).split("_")[0] == "train":
            continue
        if name in first:
            place.add(f"{name!r} is the name of {first[name]}, too; results of one would replace the other's")
        first.setdefault(name, str(phase))


def _check_dataset(
    here: Problems, phase: str, options: Mapping[str, Any], opt: Mapping[str, Any], world_size: int
) -> Mapping[str, tuple[int, int]]:
    """Check one data set; returns the sizes of its LR images by name."""
    from basicsr.utils.registry import DATASET_REGISTRY

    type_name = options.get("type") if isinstance(options.get("type"), str) else None
    cls = find_registered(here.at("type"), DATASET_REGISTRY, type_name)
    own_keys = DATASET_KEYS.get(type_name or "", getattr(cls, "option_keys", None))
    keys = {**DATASET, **(own_keys or {})}
    if phase == "train":
        keys |= LOADER_NEEDED
        keys |= PATCH_NEEDED if type_name in PAIRED_TYPES or hasattr(cls, "patches_from") else {}
    check_mapping(here, options, keys, strict=own_keys is not None)
    lmdb = _check_backend(here.at("io_backend"), options.get("io_backend"))
    _check_loader(here, options, trains=phase == "train")

    roots: tuple[str, ...] = LISTED_TYPES.get(type_name or "", getattr(cls, "listed_roots", ()))
    for key in (key for key in options if str(key).startswith("dataroot") and key not in roots):
        _check_root_exists(here.at(key), options[key])
    below = getattr(cls, "reads_folders_below", False)
    listings = _list_roots(here, options, roots, lmdb=lmdb, below=below)
    made_of = listings.get(getattr(cls, "patches_from", ""))
    if here.ok and is_whole(opt.get("scale")) and made_of is not None and hasattr(cls, "check_values"):
        with here.refusals():
            names = [composed(name) if lmdb else image_name(name) for name in made_of.names]
            cls.check_values(options, scale=opt["scale"], names=names)
    if CONVERSION_KEYS.keys() <= keys.keys():
        check_kinds(here, options, listings)
    if phase != "train":
        check_stems(here, listings)
    sizes = _check_sizes(here, phase, options, listings, opt.get("scale"), getattr(cls, "patches_from", None))
    if phase == "train" and listings:
        count = min(len(listing.names) for listing in listings.values())
        _check_batch(here, options, opt, count, world_size)
    return sizes


def _check_sizes(
    here: Problems,
    phase: str,
    options: Mapping[str, Any],
    listings: Mapping[str, Listing],
    scale: Any,
    patches_from: str | None,
) -> Mapping[str, tuple[int, int]]:
    """Check the sizes of all images; returns those of the LR images by name."""
    if options.get("type") in PAIRED_TYPES:
        if len(listings) < 2:
            return {}
        return check_pairs(here, options, listings["dataroot_lq"], listings["dataroot_gt"], scale, phase)
    sizes = {key: image_sizes(here.at(key), listing) for key, listing in listings.items()}
    if patches_from not in sizes or not is_whole(scale) or scale < 1:
        return sizes.get("dataroot_lq", {})
    if phase == "train":
        check_patch(here, options.get("gt_size"), scale, sizes[patches_from])
    return {name: (height // scale, width // scale) for name, (height, width) in sizes[patches_from].items()}


def _list_roots(
    here: Problems, options: Mapping[str, Any], roots: tuple[str, ...], *, lmdb: bool, below: bool
) -> dict[str, Listing]:
    """List each data root; with a file of names, exactly the files that it names."""
    listings: dict[str, Listing] = {}
    names_key = "meta_info" if options.get("type") == "RealESRGANPairedDataset" else "meta_info_file"
    names_file = None if lmdb else options.get(names_key)
    if isinstance(names_file, str) and not check_file(here.at(names_key), names_file, expands=False):
        return listings
    for key in roots:
        root = options.get(key)
        if not isinstance(root, str):
            continue
        if isinstance(names_file, str):
            _check_root_exists(here.at(key), root)
            continue
        listing = list_images(here.at(key), root, lmdb=lmdb, below=below)
        if listing is not None:
            listings[key] = listing
    if isinstance(names_file, str):
        return list_named(here, options, roots, names_key)
    return listings


def _check_root_exists(here: Problems, root: Any) -> None:
    if isinstance(root, str) and not os.path.exists(os.path.expanduser(root)):
        here.add(f"{root} does not exist (looked in {os.getcwd()})")


def _check_backend(here: Problems, backend: Any) -> bool:
    """Check ``io_backend``; returns whether it is LMDB."""
    if not isinstance(backend, Mapping):
        return False
    check_mapping(here, backend, BACKEND, strict=backend.get("type") == "disk")
    return backend.get("type") == "lmdb"


def _check_loader(here: Problems, options: Mapping[str, Any], *, trains: bool) -> None:
    if options.get("prefetch_mode") == "cuda" and options.get("pin_memory") is not True and trains:
        here.at("pin_memory").add("must be true with prefetch_mode: cuda")
    workers = options.get("num_worker_per_gpu") if trains else 0
    if options.get("persistent_workers") is True and workers == 0:
        why = "num_worker_per_gpu is 0" if trains else "BasicSR validates and tests without workers"
        here.at("persistent_workers").add(f"must be false because {why}")


def _check_batch(
    here: Problems, options: Mapping[str, Any], opt: Mapping[str, Any], count: int, world_size: int
) -> None:
    """Check that an epoch has at least one batch."""
    batch = options.get("batch_size_per_gpu")
    if not is_whole(batch) or batch < 1:
        return
    ratio = options.get("dataset_enlarge_ratio", 1)
    if not is_number(ratio):
        return
    images = -(-int(count * ratio) // world_size)
    batch *= _devices(opt.get("num_gpu")) if world_size == 1 else 1
    if batch > images:
        here.at("batch_size_per_gpu").add(
            f"a batch of {batch} is larger than an epoch of {images} images (a process), so nothing would be trained; "
            "take a smaller batch or a larger dataset_enlarge_ratio",
        )


def _devices(num_gpu: Any) -> int:
    """Number of GPUs that one process without a launcher spreads a batch over."""
    import torch

    if num_gpu in (0, 1):
        return 1
    available = torch.cuda.device_count()
    return max(1, min(num_gpu, available) if is_whole(num_gpu) else available)
