"""Known options of BasicSR's model classes, as tables. No logic here.

A model class of this package or from elsewhere declares its own in a class attribute ``option_keys``; see
:mod:`segsr_arch.config.sections`.
"""

from segsr_arch.config.tables import LOSS, TRAIN, VAL
from segsr_arch.option_keys import Key, needed


def _count(help_text: str) -> Key:
    return Key("count", nullable=False, minimum=0, help=help_text)


_GAN = {
    "gan_opt": LOSS,
    "net_d_iters": _count("the network is trained in every so manieth iteration, the discriminator in each"),
    "net_d_init_iters": _count("iterations in which the discriminator is trained alone"),
    "optim_d": needed("mapping", help="optimizer of the discriminator: its type, and arguments of that class"),
}
_FLOW = {"fix_flow": Key("any", help="iterations in which the network of the optical flow is frozen")}
_SECOND_ORDER = ("resize_prob", "resize_range", "gaussian_noise_prob", "noise_range", "poisson_scale_range")
DEGRADATION_NEEDED = (
    *(f"{name}{order}" for name in (*_SECOND_ORDER, "gray_noise_prob", "jpeg_range") for order in ("", 2)),
    "second_blur_prob",
    "gt_size",
)  # by a training that degrades
GT_USM = ("l1_gt_usm", "percep_gt_usm", "gan_gt_usm")
_DEGRADATION = {
    **dict.fromkeys(DEGRADATION_NEEDED, Key("any", help="degradation of images, see Real-ESRGAN")),
    "second_blur_prob": Key("number", help="probability that an image is blurred once more"),
    "gt_size": Key("int", minimum=1, unit="HR pixels", help="side of a patch of the ground truth"),
    "queue_size": Key("int", minimum=1, help="patches among which each batch is drawn"),
    "high_order_degradation": Key("bool", help="degrade images in the model; the data set does it otherwise"),
}
_SHARPENED = "sharpen the ground truth before a loss compares with it"

# by class name; a model has the keys of all its base classes too
MODEL_KEYS: dict[str, dict[str, dict[str, Key]]] = {
    "BaseModel": {"": {}, "train": TRAIN, "val": VAL},
    "SRModel": {
        "": {"scale": needed("int", minimum=1, help="how many times as wide and high the SR image is")},
        "train": {
            "ema_decay": Key("number", nullable=False, minimum=0, below=1, help="decay of the moving average; 0: none"),
            "pixel_opt": LOSS,
            "perceptual_opt": LOSS,
        },
    },
    "SRGANModel": {"train": {**_GAN, "ldl_opt": LOSS}},
    "RealESRNetModel": {"": {**_DEGRADATION, "gt_usm": Key("bool", help=_SHARPENED)}},
    "RealESRGANModel": {"": {**_DEGRADATION, **dict.fromkeys(GT_USM, Key("bool", help=_SHARPENED))}},
    "HiFaceGANModel": {"train": {**_GAN, "feature_matching_opt": LOSS}},
    "EDVRModel": {
        "train": {
            "tsa_iter": _count("iterations in which the fusion of frames is trained alone"),
            "dcn_lr_mul": Key("number", help="learning rate of deformable convolutions over that of the rest"),
        }
    },
    "VideoRecurrentModel": {
        "train": {
            **_FLOW,
            "flow_lr_mul": Key("number", help="learning rate of the optical flow over that of the rest"),
        },
        "val": {
            "flip_seq": Key("bool", help="append each sequence in reverse"),
            "center_frame_only": Key("bool", help="measure the middle frame alone"),
        },
    },
    "VideoRecurrentGANModel": {
        "train": {**_GAN, **_FLOW, "lr_flow": Key("number", help="learning rate of the optical flow"), "ldl_opt": LOSS},
    },
    "StyleGAN2Model": {
        "train": {
            **_GAN,
            "r1_reg_weight": Key("number", help="weight of the regularization of the discriminator"),
            "path_reg_weight": Key("number", help="weight of the path length regularization"),
            "mixing_prob": Key("number", help="probability that two latent vectors are mixed"),
            "path_batch_shrink": _count("by how much the batch is smaller for the path length regularization"),
            "net_g_reg_every": _count("iterations from one regularization of the network to the next"),
            "net_d_reg_every": _count("iterations from one regularization of the discriminator to the next"),
        },
        "val": {"num_val_samples": Key("int", help="how many samples are drawn")},
    },
    "VideoBaseModel": {},
    "VideoGANModel": {},
    "ESRGANModel": {},
    "SwinIRModel": {},
}
