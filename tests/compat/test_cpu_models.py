import copy
import math

import pytest
import torch
from basicsr.archs import build_network
from basicsr.models import build_model
from basicsr.utils.registry import MODEL_REGISTRY

from segsr_arch.errors import ConfigError

NETWORK = {"type": "MSRResNet", "num_feat": 4, "num_block": 1, "upscale": 4}
CRITIC = {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4}
SWIN = {"type": "SwinIR", "upscale": 4, "img_size": 16, "window_size": 8, "embed_dim": 12, "depths": [2]}
SWIN |= {"num_heads": [2], "upsampler": "pixelshuffledirect"}
EDVR = {"type": "EDVR", "num_in_ch": 3, "num_feat": 4, "num_frame": 3, "deformable_groups": 1}
EDVR |= {"num_extract_block": 1, "num_reconstruct_block": 1}
RECURRENT = {"type": "BasicVSR", "num_feat": 4, "num_block": 1}
HIFACE = {"type": "HiFaceGAN", "num_in_ch": 3, "num_feat": 4, "use_vae": False, "z_dim": 4, "crop_size": 64}
HIFACE |= {"norm_g": "spectralspadesyncbatch3x3", "is_train": True}
HIFACE_CRITIC = {"type": "HiFaceGANDiscriminator", "num_in_ch": 3, "num_out_ch": 3, "conditional_d": True, "num_d": 1}
HIFACE_CRITIC |= {"n_layers_d": 2, "num_feat": 4, "norm_d": "spectralinstance", "keep_features": True}
STYLE = {"out_size": 8, "channel_multiplier": 1, "resample_kernel": [1, 3, 3, 1], "narrow": 0.0625}
STYLE_GENERATOR = {"type": "StyleGAN2Generator", "num_style_feat": 8, "num_mlp": 1, **STYLE}
DEGRADATION = {
    **{f"{loss}_gt_usm": True for loss in ("l1", "percep", "gan")},
    **{"gt_usm": True, "gt_size": 32, "queue_size": 4, "second_blur_prob": 1.0},
    **{f"{name}{order}": value for order in ("", 2) for name, value in {
        "resize_prob": [0.2, 0.7, 0.1], "resize_range": [0.5, 1.5], "gaussian_noise_prob": 0.5, "noise_range": [1, 25],
        "poisson_scale_range": [0.05, 2.5], "gray_noise_prob": 0.4, "jpeg_range": [30, 95],
    }.items()},
}  # fmt: skip
LOSS = {"gan_type": "vanilla", "real_label_val": 1.0, "fake_label_val": 0.0, "loss_weight": 0.1}
GAN = {"gan_opt": {"type": "GANLoss", **LOSS}, "optim_d": {"type": "Adam", "lr": 1e-3}}
REGULARIZED = {"r1_reg_weight": 10, "path_reg_weight": 2, "mixing_prob": 0.9, "path_batch_shrink": 1}
REGULARIZED |= {"net_g_reg_every": 1, "net_d_reg_every": 1}


def batch(**shapes):
    return {name: torch.rand(2, *shape) for name, shape in shapes.items()}


PAIR = {"lq": (3, 16, 16), "gt": (3, 64, 64)}
KERNELS = dict.fromkeys(("kernel1", "kernel2", "sinc_kernel"), (7, 7))
CLIP = {"lq": (3, 3, 16, 16), "gt": (3, 64, 64)}
CLIPS = {"lq": (2, 3, 64, 64), "gt": (2, 3, 256, 256)}
STYLES = {"gan_opt": {"type": "GANLoss", **LOSS, "gan_type": "wgan_softplus"}, **REGULARIZED}
HINGES = {"gan_opt": {"type": "MultiScaleGANLoss", **LOSS, "gan_type": "hinge"}, "ema_decay": 0}
MODELS = {
    "SRModel": ({"network_g": NETWORK}, {}, PAIR),
    "SwinIRModel": ({"network_g": SWIN}, {}, PAIR),
    "SRGANModel": ({"network_g": NETWORK, "network_d": CRITIC}, GAN, PAIR),
    "ESRGANModel": ({"network_g": NETWORK, "network_d": CRITIC}, GAN, PAIR),
    "RealESRNetModel": ({"network_g": NETWORK, **DEGRADATION}, {}, {"gt": (3, 64, 64), **KERNELS}),
    "RealESRGANModel": (
        {"network_g": NETWORK, "network_d": CRITIC, **DEGRADATION},
        GAN,
        {"gt": (3, 64, 64), **KERNELS},
    ),
    "EDVRModel": ({"network_g": EDVR}, {"tsa_iter": 2}, CLIP),
    "VideoBaseModel": ({"network_g": EDVR}, {}, CLIP),
    "VideoGANModel": ({"network_g": EDVR, "network_d": CRITIC}, GAN, CLIP),
    "VideoRecurrentModel": ({"network_g": RECURRENT}, {"fix_flow": 2, "flow_lr_mul": 0.5}, CLIPS),
    "VideoRecurrentGANModel": ({"network_g": RECURRENT, "network_d": CRITIC}, {**GAN, "fix_flow": 0}, CLIPS),
    "HiFaceGANModel": (
        {"network_g": HIFACE, "network_d": HIFACE_CRITIC},
        {**GAN, **HINGES},
        {"lq": (3, 64, 64), "gt": (3, 64, 64)},
    ),
    "StyleGAN2Model": (
        {"network_g": STYLE_GENERATOR, "network_d": {"type": "StyleGAN2Discriminator", **STYLE}},
        {**GAN, **STYLES},
        {"gt": (3, 8, 8)},
    ),
}


def options(name, **changes):
    networks, train, _ = MODELS[name]
    common = {"name": "t", "model_type": name, "scale": 4, "num_gpu": 0, "is_train": True, "dist": False, "path": {}}
    train = {
        "pixel_opt": {"type": "L1Loss"},
        "optim_g": {"type": "Adam", "lr": 1e-3},
        "scheduler": {"type": "MultiStepLR", "milestones": [5]},
        "total_iter": 4,
        "ema_decay": 0.9,
        **train,
    }
    val = {"save_img": False, "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 0}}}
    return copy.deepcopy({**common, **networks, "train": train, "val": val, "rank": 0, **changes})


def test_every_model_class_of_basicsr_is_tried():
    names = {name.removesuffix("_basicsr") for name, cls in MODEL_REGISTRY if cls.__module__.startswith("basicsr.")}
    assert names == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_trains_on_the_cpu(name):
    torch.manual_seed(0)
    model = build_model(options(name))
    before = [parameter.detach().clone() for parameter in model.net_g.parameters()]
    for iteration in (1,) if "Recurrent" in name else (1, 2):  # those take seconds an iteration
        model.update_learning_rate(iteration)
        model.feed_data(batch(**MODELS[name][2]))
        model.optimize_parameters(iteration)
    assert all(math.isfinite(float(value)) for value in model.get_current_log().values())
    assert any(not torch.equal(old, new) for old, new in zip(before, model.net_g.parameters(), strict=True))


def test_pool_that_batches_do_not_fill_is_a_sentence():
    model = build_model(options("RealESRNetModel", queue_size=5))
    with pytest.raises(ConfigError, match="queue_size: 5 is no multiple of the batch of 2 images.*take 6"):
        model.feed_data(batch(**MODELS["RealESRNetModel"][2]))


class Clips:
    """A video data set of one folder of two frames (or one clip), as BasicSR's validation reads it."""

    def __init__(self, item):
        self.opt = {"name": "clips"}
        self.data_info = {"folder": ["000", "000"]}
        self.item = item

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return {name: value.clone() if torch.is_tensor(value) else value for name, value in self.item.items()}


@pytest.mark.parametrize("name", ["VideoBaseModel", "VideoRecurrentModel"])
def test_video_models_validate_on_the_cpu(name, tmp_path):
    opt = options(name, is_train=False, world_size=1, center_frame_only=False)
    model = build_model({**opt, "path": {"visualization": str(tmp_path)}})
    tensors = {key: torch.rand(*shape) for key, shape in MODELS[name][2].items()}
    dataset = Clips({**tensors, "folder": "000", "idx": "0/2", "lq_path": "000/00000000"})
    loader = type("Loader", (), {"dataset": dataset})
    model.validation(loader, 1, None, name == "VideoRecurrentModel")  # whose stock code fails without images
    figures = model.metric_results["000"]
    assert figures.shape == (2, 1) and figures.device.type == "cpu"
    assert 0 < figures[0, 0] < 20  # dB, of an untrained network against noise


def test_alignment_of_basicvsr_plus_plus_is_there_without_a_gpu():
    network = build_network({"type": "BasicVSRPlusPlus", "mid_channels": 16, "num_blocks": 1})
    assert set(network.deform_align) == {"backward_1", "forward_1", "backward_2", "forward_2"}


def test_activation_of_stylegan_in_numbers():
    from basicsr.ops.fused_act import fused_leaky_relu

    given = torch.tensor([[1.0, -3.0], [0.5, 1.0]])
    expected = 2**0.5 * torch.tensor([[2.0, -0.2], [1.5, 3.0]])  # leaky(x + (1, 2)), slope 0.2
    torch.testing.assert_close(fused_leaky_relu(given, torch.tensor([1.0, 2.0])), expected)
