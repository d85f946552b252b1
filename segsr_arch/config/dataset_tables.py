"""Known options of BasicSR's data sets and of their loaders, as tables. No logic here.

A data set class of this package or from elsewhere declares its own in a class attribute ``option_keys``.
"""

from dataclasses import replace

from segsr_arch.images.conversion import CONVERSION_KEYS
from segsr_arch.option_keys import Key, needed

_GT, _LQ = "folder or LMDB of the ground truth", "folder or LMDB of the LR images"
_WORKERS = Key("int", nullable=False, minimum=0, help="processes that load images, for each GPU")
_BATCH = Key("int", nullable=False, minimum=1, help="patches of a batch, for each GPU")

DATASET = {
    "name": needed("text", help="name of the data set; results are kept below it"),
    "type": needed("text", help="class that reads it"),
    "io_backend": needed("mapping", help="how images are stored: {type: disk} or {type: lmdb}"),
    "dataroot_gt": Key("text", help=_GT),
    "dataroot_lq": Key("text", help=_LQ),
    "phase": Key("text", help="set by BasicSR"),
    "scale": Key("int", help="set by BasicSR"),
    "mean": Key("list", items="number", help="mean of R, G and B, which is taken off"),
    "std": Key("list", items="number", help="standard deviation of R, G and B, which is divided by"),
    "num_worker_per_gpu": _WORKERS,
    "batch_size_per_gpu": _BATCH,
    "dataset_enlarge_ratio": Key("number", nullable=False, minimum=0, help="how often an epoch goes over all images"),
    "prefetch_mode": Key("text", words=("cpu", "cuda"), help="load batches ahead, into which memory; null for none"),
    "num_prefetch_queue": Key("int", nullable=False, minimum=1, help="batches ahead, with prefetch_mode: cpu"),
    "pin_memory": Key("bool", help="load into memory that a GPU copies faster"),
    "persistent_workers": Key("bool", help="keep the loading processes from one epoch to the next"),
    "use_shuffle": Key("bool", help="read by nobody, but in every published option file"),
}
LOADER_NEEDED = {
    name: replace(key, required=True)
    for name, key in (("batch_size_per_gpu", _BATCH), ("num_worker_per_gpu", _WORKERS))
}

IO_BACKENDS = ("disk", "lmdb", "memcached")
BACKEND = {"type": needed("text", words=IO_BACKENDS, help="folder of files, LMDB, or memcached")}
PATCH = {
    "gt_size": Key("int", minimum=1, unit="HR pixels", help="side of a patch of the ground truth"),
    "use_hflip": Key("bool", help="flip patches at random"),
    "use_rot": Key("bool", help="turn patches by 90 degrees at random"),
}
PATCH_NEEDED = {name: replace(key, required=True, nullable=False) for name, key in PATCH.items()}
_NAMES_FILE = Key("text", help="list of the images to read, a name a line; without it all are read")
_COLOR = Key("text", words=("y",), help="y: Y of YCbCr alone; null for R, G and B")
_PAIRED = {
    "dataroot_gt": needed("text", help=_GT),
    "dataroot_lq": needed("text", help=_LQ),
    "filename_tmpl": Key("text", nullable=False, help="name of the LR image, {} being that of the HR image"),
    "meta_info_file": _NAMES_FILE,
    "color": _COLOR,
    **PATCH,
    **CONVERSION_KEYS,
}

# by class name; types that are not here and declare nothing may have any keys
DATASET_KEYS: dict[str, dict[str, Key]] = {
    "PairedImageDataset": _PAIRED,
    "SingleImageDataset": {
        "dataroot_lq": needed("text", help=_LQ),
        "meta_info_file": replace(_NAMES_FILE, nullable=False),
        "color": _COLOR,
        **CONVERSION_KEYS,
    },
    "RealESRGANPairedDataset": {
        **_PAIRED,
        "meta_info": Key("text", help="list of pairs, a line each: name of the HR image, comma, name of the LR image"),
    },
    "FFHQDataset": {
        "dataroot_gt": needed("text", help=_GT),
        "use_hflip": replace(PATCH["use_hflip"], required=True, nullable=False),
        **CONVERSION_KEYS,
    },
}
