"""Ground truth alone, degraded when it is read: what an item holds, that it repeats, in a check and in a run."""

import random
import re

import cv2
import numpy as np
import pytest
import torch
from basicsr.data import build_dataset

from segsr_arch.captions.degradation import degradation_caption
from segsr_arch.cli import basicsr
from segsr_arch.config import check_options
from segsr_arch.data.made_pairs import MadePairs
from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.degradations.kernels import anisotropic_kernel, delta_kernel
from segsr_arch.errors import ConfigError, DataError
from tests.cli.runs import write_options
from tests.config.paired_options import changed, good_train
from tests.config.test_check import problems
from tests.support import make_image, write_image

ANISO = [
    {"type": "anisotropic", "l1": [0.5, 3], "l2": [0.5, 3]},
    {"type": "noise", "sigma": [0, 25]},
]
STRETCHED = [{"type": "anisotropic", "l1": 3.0, "l2": 0.3, "theta": 0.1}]


@pytest.fixture
def images(tmp_path):
    for number in range(3):
        write_image(tmp_path / "HR" / f"a{number}.png", make_image(number, 160, 148))
    return tmp_path / "HR"


def dataset(root, **changes):
    options = {"name": "gt", "type": "BlindPairedDataset", "dataroot_gt": str(root), "io_backend": {"type": "disk"}}
    options |= {"phase": "val", "scale": 4, "degradation": ANISO}
    return build_dataset({**options, **changes})


def training(root, **changes):
    return dataset(root, **{"phase": "train", "gt_size": 64, "use_hflip": True, "use_rot": True, **changes})


def pixels(tensor):
    return np.rint(tensor.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)


def test_an_item_holds_both_lr_images_the_kernel_and_the_noise(images):
    item = dataset(images)[1]
    gt, clean, lq = (pixels(item[key]) for key in ("gt", "lq_clean", "lq"))
    assert np.array_equal(gt, make_image(1, 160, 148)[..., ::-1])
    assert np.array_equal(clean, make_lr(gt, 4)) and lq.shape == clean.shape
    kernel, noise = item["kernel"], item["noise_level"]
    assert kernel.shape == (1, 21, 21) and float(kernel.sum()) == pytest.approx(1, abs=1e-5)
    assert noise.shape == (1,) and 0 < float(noise) < 25
    assert "caption" not in item
    # The kernel is the one that blurred, and the noise as strong as is said: LR from them and HR.
    blurred = cv2.filter2D(
        gt.astype(np.float64), -1, kernel[0].numpy().astype(np.float64), borderType=cv2.BORDER_REFLECT
    )
    residual = (lq.astype(float) - make_lr(np.rint(blurred).clip(0, 255).astype(np.uint8), 4))[6:-6, 6:-6]
    inside = (lq[6:-6, 6:-6] > 0) & (lq[6:-6, 6:-6] < 255)
    assert residual[inside].std() == pytest.approx(float(noise), rel=0.1)


def test_an_image_of_a_validation_is_degraded_alike_always_and_each_in_its_own_way(images):
    first, second, other = dataset(images), dataset(images), dataset(images, degradation_seed=1)
    order = [first[2], first[0]]
    assert torch.equal(order[1]["lq"], second[0]["lq"]) and torch.equal(order[0]["lq"], second[2]["lq"])
    assert not torch.equal(order[0]["kernel"], order[1]["kernel"])
    assert not torch.equal(other[0]["lq"], first[0]["lq"])


def test_a_patch_is_a_piece_of_the_degraded_image_with_its_kernel_turned_as_it_was(images):
    """Without noise, a patch of the turned image and the degraded turned image are one."""
    patches = training(images, degradation=STRETCHED)
    kernels, turns = [], set()
    for seed in range(24):
        random.seed(seed)
        item = patches[0]
        gt, lq = pixels(item["gt"]), pixels(item["lq"])
        assert gt.shape == (64, 64, 3) and lq.shape == pixels(item["lq_clean"]).shape == (16, 16, 3)
        whole = make_image(0, 160, 148)[..., ::-1]
        for name, turned in orientations(whole).items():
            (places,) = (np.argwhere(matches(turned, gt)),)
            if len(places):
                top, left = places[0] // 4
                kernel = item["kernel"][0].numpy().astype(np.float64)
                blurred = cv2.filter2D(turned.astype(np.float64), -1, kernel, borderType=cv2.BORDER_REFLECT_101)
                expected = make_lr(np.rint(blurred).clip(0, 255).astype(np.uint8), 4)
                difference = np.abs(lq.astype(int) - expected[top : top + 16, left : left + 16])
                assert difference.max() <= 1, (seed, name)
                turns.add(name)
                break
        else:
            raise AssertionError(f"the patch of seed {seed} is nowhere in the image")
        kernels.append(item["kernel"])
    assert len(turns) >= 6
    assert all(torch.equal(kernel, kernels[0]) for kernel in kernels), "the direction is that of the option file"


def orientations(image):
    """The eight orientations of an image, by name."""
    turned = {}
    for transposed in (False, True):
        for rows in (1, -1):
            for columns in (1, -1):
                view = image[::rows, ::columns]
                view = view.transpose(1, 0, 2) if transposed else view
                turned[f"{rows} {columns} {transposed}"] = np.ascontiguousarray(view)
    return turned


def matches(image, patch):
    """Where a patch lies in an image, at whole LR pixels: a map of the HR pixels, true at its upper left corner."""
    found = np.zeros(image.shape[:2], bool)
    side = len(patch)
    for top in range(0, image.shape[0] - side + 1, 4):
        for left in range(0, image.shape[1] - side + 1, 4):
            same = np.array_equal(image[top, left : left + side], patch[0])
            found[top, left] = same and np.array_equal(image[top : top + side, left : left + side], patch)
    return found


def test_one_seed_gives_the_same_patches_as_of_bicubic_pairs(images):
    bicubic = {"type": "BicubicPairedDataset"}
    for seed in range(6):
        items = []
        for changes in ({}, bicubic):
            random.seed(seed)
            items.append(training(images, **changes)[0])
        assert torch.equal(items[0]["gt"], items[1]["gt"])
        assert torch.equal(items[0]["lq_clean"], items[1]["lq"]) and not torch.equal(items[0]["lq"], items[1]["lq"])


def test_mean_and_std_hold_for_all_images(images):
    plain, item = dataset(images)[0], dataset(images, mean=[0.5] * 3, std=[0.25] * 3)[0]
    for key in ("gt", "lq", "lq_clean"):
        assert torch.allclose(item[key], (plain[key] - 0.5) / 0.25, atol=1e-6)
    assert torch.equal(item["kernel"], plain["kernel"])


@pytest.mark.parametrize("kind", ["BicubicPairedDataset", "BlindPairedDataset"])
def test_folders_in_the_folder_are_read_too_and_hidden_ones_are_not(tmp_path, opt, kind, caplog):
    root = tmp_path / "tree"
    for name in ("a1.png", "b/c/deep.png", "b/a1.png", ".thumbnails/small.png", "b/.hidden.png"):
        write_image(root / name, make_image(7, 64, 64))
    (root / "b/again").symlink_to(root, target_is_directory=True)
    found = dataset(root, type=kind)
    assert [found.name_of(pair["gt_path"]) for pair in found.paths] == ["a1", "b/a1", "b/c/deep"]
    assert "b/again: a link back to a folder above it; not followed" in caplog.text
    if kind == "BlindPairedDataset":
        # its name, and so its degradation, is its path: not that of the image of the same name above
        assert not torch.equal(found[0]["kernel"], found[1]["kernel"])
    opt["datasets"]["val"] |= {"type": kind, "dataroot_gt": str(root)}
    if kind == "BicubicPairedDataset":
        del opt["datasets"]["val"]["degradation"]
    check_options(opt, is_train=True, source="some.yml")
    (root / "b/notes.txt").write_text("no image")
    (line,) = problems(opt)
    assert "b/notes.txt" in line and "no images" in line and "a1" not in line


@pytest.mark.parametrize("kind", ["BicubicPairedDataset", "BlindPairedDataset"])
def test_an_image_of_less_than_one_lr_pixel_is_named(tmp_path, kind):
    write_image(tmp_path / "a.png", make_image(0, 3, 9))
    with pytest.raises(DataError, match=r"a.png: 9 x 3 pixels are less than one LR pixel at scale 4"):
        dataset(tmp_path, type=kind)[0]
    write_image(tmp_path / "b.png", make_image(0, 4, 9))  # far smaller than a kernel
    assert dataset(tmp_path, type=kind)[1]["lq"].shape == (3, 1, 2)


def test_a_base_alone_makes_nothing():
    with pytest.raises(TypeError, match="abstract"):
        MadePairs({"scale": 4})


@pytest.fixture
def opt(tmp_path):
    """Options of a training on degraded images."""
    opt = good_train(tmp_path)
    for section in opt["datasets"].values():
        section |= {"type": "BlindPairedDataset", "degradation": ANISO}
        del section["dataroot_lq"]
    return opt


def test_the_check_knows_chains_and_steps(opt):
    check_options(opt, is_train=True, source="some.yml")
    check_options(changed(opt, "datasets:train:degradation", "aniso"), is_train=True, source="some.yml")
    for value, words in (
        (..., "datasets:train:degradation: is missing; expected a list or iso or aniso"),
        ("anios", "datasets:train:degradation: expected a list or iso or aniso"),
        ([{"type": "anisotropc"}], "datasets:train: degradation: step 1: 'anisotropc' is not a type; did you mean"),
        (
            [{"type": "noise", "sgima": 3}],
            "datasets:train: degradation: noise: sgima is not an option; did you mean sigma",
        ),
        ([{"type": "noise", "sigma": [3, -1]}], "datasets:train: degradation: noise: sigma: "),
        ([*reversed(ANISO)], "datasets:train: degradation: anisotropic comes after noise"),
    ):
        (line,) = problems(changed(opt, "datasets:train:degradation", value))
        assert line.startswith(f"  - {words}"), line
    (line,) = problems(changed(opt, "datasets:train:degradation_seed", -1))
    assert "datasets:train:degradation_seed: must be at least 0" in line


def write_captions(path, names):
    path.write_text("".join(f'{{"image": "{name}", "caption": "sharp {name}"}}\n' for name in names))
    return str(path)


@pytest.mark.parametrize("kind", ["BicubicPairedDataset", "BlindPairedDataset"])
def test_items_have_the_captions_of_a_file(images, tmp_path, kind):
    file = write_captions(tmp_path / "captions.jsonl", ["a2", "a1", "a0", "another"])
    said = [item["caption"] for item in dataset(images, type=kind, caption_file=file)]
    assert said == ["sharp a0", "sharp a1", "sharp a2"]
    assert "caption" not in dataset(images, type=kind)[0]
    with pytest.raises(DataError, match="1 of 3 images have no caption, a1"):
        dataset(images, type=kind, caption_file=write_captions(tmp_path / "two.jsonl", ["a0", "a2"]))


def test_the_check_reads_captions(opt, tmp_path):
    whole = write_captions(tmp_path / "captions.jsonl", [f"{number:02}" for number in range(8)])
    check_options(changed(opt, "datasets:train:caption_file", whole), is_train=True, source="some.yml")
    other = write_captions(tmp_path / "other.jsonl", ["river"])
    (line,) = problems(changed(opt, "datasets:val:caption_file", other))
    assert line.startswith(f"  - datasets:val: {other}: is of other images: none of the 8")


def test_a_chain_that_cannot_be_made_is_refused_when_the_data_set_is_built(images):
    with pytest.raises(ConfigError, match="noise: sgima is not an option; did you mean sigma"):
        dataset(images, degradation=[{"type": "noise", "sgima": 3}])


def test_a_stock_training_gets_the_same_images_whatever_the_number_of_workers(opt, images, tmp_path, monkeypatch):
    """Losses and weights after five iterations tell every pixel that a network was trained on."""
    monkeypatch.chdir(tmp_path)
    opt["train"]["total_iter"] = 5
    opt["datasets"]["train"] |= {"dataroot_gt": str(images), "use_hflip": True, "use_rot": True}
    opt["datasets"]["train"]["dataset_enlarge_ratio"] = 4
    losses, weights = [], []
    for workers in (0, 2):
        opt["name"] = f"tiny{workers}"
        opt["datasets"]["train"]["num_worker_per_gpu"] = workers
        assert basicsr.main(["train", "-opt", str(write_options(tmp_path, opt))]) == 0
        folder = tmp_path / "experiments" / opt["name"]
        log = next(folder.glob("*.log")).read_text()
        losses.append(re.findall(r"l_pix: (\S+)", log))
        weights.append(torch.load(folder / "models/net_g_latest.pth", weights_only=True)["params"])
    assert len(set(losses[0])) == 5 and losses[0] == losses[1]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_caption_by_rule_says_what_the_item_holds_and_is_the_only_one(images, tmp_path):
    item = training(images, say_degradation=True)[0]
    assert item["caption"] == degradation_caption(item["kernel"][0].numpy(), float(item["noise_level"]))
    assert degradation_caption(delta_kernel(), 0.0) == "from almost sharp and clean to sharp and clean"
    wide = anisotropic_kernel(2.5, 2.5, 0.0)
    assert degradation_caption(wide, 20.0) == "from blurred and very noisy to sharp and clean"
    captions = tmp_path / "captions.jsonl"
    captions.write_text("".join(f'{{"image": "a{number}", "caption": "roofs"}}\n' for number in range(3)))
    with pytest.raises(ConfigError, match="say_degradation: captions come from caption_file already"):
        dataset(images, say_degradation=True, caption_file=str(captions))
