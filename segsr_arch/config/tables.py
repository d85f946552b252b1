"""Known options of BasicSR 1.4.2 and of this package, as tables. No logic here.

A model or dataset class from elsewhere may declare its own in a class attribute ``option_keys``; see
:mod:`segsr_arch.config.sections`.
"""

from segsr_arch.images.conversion import CONVERSION_KEYS
from segsr_arch.option_keys import Key, needed

TOP = {
    "name": needed("text"),
    "model_type": needed("text"),
    "scale": Key("int", nullable=False, minimum=1),
    "num_gpu": needed("int", words=("auto",), minimum=0),
    "manual_seed": Key("int", minimum=0, maximum=2**32 - 1),  # what numpy takes
    "datasets": needed("mapping"),
    "path": needed("mapping"),
    "train": Key("mapping"),
    "val": Key("mapping"),
    "logger": Key("mapping"),
    "dist_params": Key("mapping", nullable=False, keys={"backend": Key("text"), "port": Key("int", minimum=1)}),
    "find_unused_parameters": Key("bool"),
    "imports": Key("texts"),  # see segsr_arch/config/imports.py
}

# written by BasicSR itself while it parses, whatever the file says; each with what to do instead
_LAUNCHER = "use --launcher, which says how many processes there are"
TOP_INTERNAL = {
    "is_train": "use `basicsr train` or `basicsr test`",
    "auto_resume": "use --auto_resume",
    "dist": _LAUNCHER,
    "rank": _LAUNCHER,
    "world_size": _LAUNCHER,
    "root_path": "start the command in that folder",
}
_FOLDERS = "experiments/NAME or results/NAME in the working directory; change name: instead"
PATH_INTERNAL = dict.fromkeys(
    ("experiments_root", "results_root", "models", "training_states", "log", "visualization"),
    f"BasicSR's folders are {_FOLDERS}",
)

LOGGER = {
    "print_freq": needed("count", minimum=1),
    "save_checkpoint_freq": needed("count", minimum=1),
    "use_tb_logger": Key("bool", required=True),
    "wandb": Key("mapping", keys={"project": Key("text"), "resume_id": Key("text")}),
}

TRAIN = {
    "total_iter": needed("count", minimum=1),
    "warmup_iter": Key("count", nullable=False),
    "scheduler": needed("mapping"),
    "optim_g": needed("mapping"),
}

VAL = {
    "save_img": Key("bool"),
    "pbar": Key("bool"),
    "suffix": Key("text"),
    "val_freq": Key("count", nullable=False, minimum=1),
    "metrics": Key("mapping"),
}
VAL_NEEDED = {True: ("val_freq", "save_img"), False: ("save_img", "suffix")}  # by is_train

_LOSS = Key("mapping")
_EMA = Key("number", nullable=False, minimum=0, below=1)
_COUNT = Key("count", nullable=False, minimum=0)
_GAN = {"gan_opt": _LOSS, "net_d_iters": _COUNT, "net_d_init_iters": _COUNT, "optim_d": needed("mapping")}
_SECOND_ORDER = ("resize_prob", "resize_range", "gaussian_noise_prob", "noise_range", "poisson_scale_range")
DEGRADATION_NEEDED = (
    *(f"{name}{order}" for name in (*_SECOND_ORDER, "gray_noise_prob", "jpeg_range") for order in ("", 2)),
    "second_blur_prob",
    "gt_size",
)  # by a training that degrades
GT_USM = ("l1_gt_usm", "percep_gt_usm", "gan_gt_usm")
_DEGRADATION = {
    **dict.fromkeys(DEGRADATION_NEEDED, Key("any")),
    "second_blur_prob": Key("number"),
    "gt_size": Key("int", minimum=1),
    "queue_size": Key("int", minimum=1),
    "high_order_degradation": Key("bool"),
}
# by class name; a model has the keys of all its base classes too
MODEL_KEYS: dict[str, dict[str, dict[str, Key]]] = {
    "BaseModel": {"": {}, "train": TRAIN, "val": VAL},
    "SRModel": {
        "": {"scale": needed("int", minimum=1)},
        "train": {"ema_decay": _EMA, "pixel_opt": _LOSS, "perceptual_opt": _LOSS},
    },
    "SRGANModel": {"train": {**_GAN, "ldl_opt": _LOSS}},
    "RealESRNetModel": {"": {**_DEGRADATION, "gt_usm": Key("bool")}},
    "RealESRGANModel": {
        "": {**_DEGRADATION, **dict.fromkeys(GT_USM, Key("bool"))},
    },
    "HiFaceGANModel": {"train": {**_GAN, "feature_matching_opt": _LOSS}},
    "EDVRModel": {"train": {"tsa_iter": _COUNT, "dcn_lr_mul": Key("number")}},
    "VideoRecurrentModel": {
        "train": {"fix_flow": Key("any"), "flow_lr_mul": Key("number")},
        "val": {"flip_seq": Key("bool"), "center_frame_only": Key("bool")},
    },
    "VideoRecurrentGANModel": {
        "train": {**_GAN, "fix_flow": Key("any"), "lr_flow": Key("number"), "ldl_opt": _LOSS},
    },
    "StyleGAN2Model": {
        "train": {
            **_GAN,
            **{name: Key("number") for name in ("r1_reg_weight", "path_reg_weight", "mixing_prob")},
            **dict.fromkeys(("path_batch_shrink", "net_g_reg_every", "net_d_reg_every"), _COUNT),
        },
        "val": {"num_val_samples": Key("int")},
    },
    "VideoBaseModel": {},
    "VideoGANModel": {},
    "ESRGANModel": {},
    "SwinIRModel": {},
}

SCHEDULERS = {
    **dict.fromkeys(
        ("MultiStepLR", "MultiStepRestartLR"),
        {
            "type": needed("text"),
            "milestones": needed("list", items="count"),
            "gamma": Key("number", nullable=False),
            "restarts": Key("list", nullable=False, items="count"),
            "restart_weights": Key("list", nullable=False, items="number"),
        },
    ),
    "CosineAnnealingRestartLR": {
        "type": needed("text"),
        "periods": needed("list", items="count"),
        "restart_weights": Key("list", nullable=False, items="number"),
        "eta_min": Key("number", nullable=False),
    },
}

OPTIMIZER = {
    "type": needed("text"),
    "lr": needed("number", minimum=0),
    "betas": Key("list", nullable=False, items="number"),
    "weight_decay": Key("number", nullable=False, minimum=0),
    "eps": Key("number", nullable=False, minimum=0),
}

METRIC = {"type": needed("text"), "better": Key("text", words=("higher", "lower"))}
# parameters of BasicSR's metrics, which have no annotations, and bounds of ours; models hand over (H, W, C)
METRIC_PARAMETERS = {
    "crop_border": Key("int", nullable=False, minimum=0),
    "test_y_channel": Key("bool", nullable=False),
    "input_order": Key("text", nullable=False, words=("HWC",)),
    "convert_to": Key("text", nullable=False, words=("y", "gray")),
    "scale": Key("int", nullable=False, minimum=1),
    "images": Key("int", nullable=False, minimum=2),
}

DATASET = {
    "name": needed("text"),
    "type": needed("text"),
    "io_backend": needed("mapping"),
    "dataroot_gt": Key("text"),
    "dataroot_lq": Key("text"),
    "phase": Key("text"),
    "scale": Key("int"),
    "mean": Key("list", items="number"),
    "std": Key("list", items="number"),
    "num_worker_per_gpu": Key("int", nullable=False, minimum=0),
    "batch_size_per_gpu": Key("int", nullable=False, minimum=1),
    "dataset_enlarge_ratio": Key("number", nullable=False, minimum=0),
    "prefetch_mode": Key("text", words=("cpu", "cuda")),
    "num_prefetch_queue": Key("int", nullable=False, minimum=1),
    "pin_memory": Key("bool"),
    "persistent_workers": Key("bool"),
    "use_shuffle": Key("bool"),  # read by nobody, but in every published option file
}
LOADER_NEEDED = {
    name: needed("int", minimum=low) for name, low in (("batch_size_per_gpu", 1), ("num_worker_per_gpu", 0))
}

IO_BACKENDS = ("disk", "lmdb", "memcached")
_AUGMENT = ("use_hflip", "use_rot")
# What of images is used that are not RGB of 8 bits: the values that become 0 and 255, the bands that become R, G and B.
_PAIRED = {
    "dataroot_gt": needed("text"),
    "dataroot_lq": needed("text"),
    "filename_tmpl": Key("text", nullable=False),
    "meta_info_file": Key("text"),
    "color": Key("text", words=("y",)),
    "gt_size": Key("int", minimum=1),
    **CONVERSION_KEYS,
    **{name: Key("bool") for name in _AUGMENT},
}
PAIRED_TRAIN_NEEDED = {"gt_size": needed("int", minimum=1), **{name: needed("bool") for name in _AUGMENT}}

# by class name; types that are not here and declare nothing may have any keys
DATASET_KEYS: dict[str, dict[str, Key]] = {
    "PairedImageDataset": _PAIRED,
    "SingleImageDataset": {
        "dataroot_lq": needed("text"),
        "meta_info_file": Key("text", nullable=False),
        "color": Key("text", words=("y",)),
        **CONVERSION_KEYS,
    },
    "RealESRGANPairedDataset": {**_PAIRED, "meta_info": Key("text")},
    "FFHQDataset": {"dataroot_gt": needed("text"), "use_hflip": needed("bool"), **CONVERSION_KEYS},
}
