import copy

import pytest

import segsr_arch  # noqa: F401
from segsr_arch.config import check_options
from tests.cli.runs import make_options
from tests.config.paired_options import changed
from tests.config.test_check import problems
from tests.support import make_image, write_image

SWIN = {"type": "SwinIR", "upscale": 2, "img_size": 16, "window_size": 8, "embed_dim": 12, "depths": [2]}
SWIN |= {"num_heads": [2], "upsampler": "pixelshuffledirect"}
RRDB = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "num_grow_ch": 4}
RRDB |= {"scale": 2}


def with_images(folder, *, network, lr=(16, 16), model="SRModel", patch=32):
    """Options of a training on LR images of 40 x 40 pixels that validates on some of a size (height, width)."""
    for root, (height, width) in {"train": (40, 40), "val": lr}.items():
        for index in range(2):
            write_image(folder / root / "LR" / f"{index}.png", make_image(index, height, width))
            write_image(folder / root / "HR" / f"{index}.png", make_image(index, 2 * height, 2 * width))
    opt = make_options(folder / "train", val_freq=4)
    opt["datasets"]["val"] = copy.deepcopy(make_options(folder / "val", val_freq=4)["datasets"]["val"])
    opt["datasets"]["train"]["gt_size"] = patch
    return {**opt, "network_g": copy.deepcopy(network), "model_type": model}


@pytest.mark.parametrize(
    ("network", "patch", "remedy"),
    [(SWIN, 40, "multiples of 8; take 32 or 48"), (RRDB, 34, "multiples of 2; take 32 or 36")],
)
def test_patch_that_the_network_does_not_take(tmp_path, network, patch, remedy):
    opt = with_images(tmp_path, network=network, patch=patch)
    (line,) = problems(opt)
    assert f"datasets:train:gt_size: makes LR patches of {patch // 2} x {patch // 2} pixels, which" in line
    assert remedy in line
    check_options(changed(opt, "datasets:train:gt_size", 32), is_train=True, source="some.yml")


def test_validation_image_that_stock_models_do_not_pad(tmp_path):
    opt = with_images(tmp_path, network=SWIN, lr=(16, 20))
    (line,) = problems(opt)
    assert (
        "datasets:val: SwinIR does not take 2 of 2 LR images, first 0.png (20x16): sides must be multiples of 8" in line
    )
    assert "model_type: SeGSRModel, which pads" in line
    for model in ("SeGSRModel", "SwinIRModel"):
        check_options({**opt, "model_type": model}, is_train=True, source="some.yml")


def test_tiles_of_any_size_are_padded(tmp_path):
    opt = with_images(tmp_path, network=SWIN, lr=(30, 30), model="SeGSRModel")
    check_options({**opt, "tile": {"size": 13, "overlap": 4}}, is_train=True, source="some.yml")


NIQE = {"type": "calculate_niqe", "crop_border": 0, "better": "lower"}
SSIM = {"type": "calculate_ssim", "crop_border": 2}
OURS = {"type": "calculate_protocol_ssim", "scale": 2}


@pytest.mark.parametrize(
    ("metric", "smallest", "short", "long"),
    [(SSIM, (8, 8), 15, 15), (OURS, (8, 8), 15, 15), (NIQE, (48, 96), 96, 192)],
)
def test_image_that_is_too_small_for_a_metric(tmp_path, metric, smallest, short, long):
    height, width = smallest
    opt = with_images(tmp_path, network={"type": "MSRResNet", "num_feat": 4, "num_block": 1, "upscale": 2}, lr=smallest)
    opt["val"]["metrics"] = {"m": metric}
    check_options(opt, is_train=True, source="some.yml")
    write_image(tmp_path / "val" / "LR" / "1.png", make_image(1, height - 1, width))
    write_image(tmp_path / "val" / "HR" / "1.png", make_image(1, 2 * height - 2, 2 * width))
    (line,) = problems(opt)
    assert f"val:metrics:m: {metric['type']} needs images of at least {short} x {long} pixels; 1 of 2" in line
    assert f"first 1.png ({2 * width}x{2 * height - 2})" in line
