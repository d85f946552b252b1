"""Ground truth alone: its LR images are those of ``segsr prepare``, in a data set, in the check and in a run."""

import random

import numpy as np
import pytest
import torch
from basicsr.data import build_dataset

from segsr_arch.cli import basicsr, segsr
from segsr_arch.config import check_options
from segsr_arch.degradations.bicubic import make_lr, mod_crop
from segsr_arch.errors import DataError
from segsr_arch.results.reading import read_record
from tests.cli.runs import write_options
from tests.config.paired_options import changed, good_train
from tests.config.test_check import problems
from tests.support import make_image, write_image

SIZES = ((64, 64), (70, 67), (97, 128))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data set as ``segsr prepare`` makes it for x4: HR and LR images of three sizes, and LMDBs."""
    root = tmp_path_factory.mktemp("prepared")
    for number, (height, width) in enumerate(SIZES):
        write_image(root / "images/roads" / f"roads{number:02}.png", make_image(number, height, width))
    arguments = ["folder", str(root / "images"), str(root / "data"), "--scale", "4", "--patch", "16", "--jobs", "1"]
    assert segsr.main(["prepare", *arguments, "--val", "0", "--test", "0"]) == 0
    return root / "data" / "train"


def options(root, **changes):
    kind = "lmdb" if str(root).endswith(".lmdb") else "disk"
    return {
        "name": "gt",
        "type": "BicubicPairedDataset",
        "dataroot_gt": str(root),
        "io_backend": {"type": kind},
        "phase": "val",
        "scale": 4,
        **changes,
    }


def paired(prepared, ending="", **changes):
    """The stock data set on the prepared pairs, in the order of their names."""
    lq = {"type": "PairedImageDataset", "dataroot_lq": str(prepared / f"LR_x4{ending}")}
    dataset = build_dataset({**options(prepared / f"HR_x4{ending}"), **lq, **changes})
    dataset.paths.sort(key=lambda path: path["gt_path"])
    return dataset


@pytest.mark.parametrize("ending", ["", ".lmdb"])
def test_the_pairs_are_those_of_prepared_images(prepared, ending):
    made, stored = build_dataset(options(prepared / f"HR_x4{ending}")), paired(prepared, ending)
    assert len(made) == len(stored) == 3
    for mine, theirs in zip(made, stored, strict=True):
        assert torch.equal(mine["gt"], theirs["gt"]) and torch.equal(mine["lq"], theirs["lq"])
        assert mine["lq_path"] == mine["gt_path"] == theirs["gt_path"]


@pytest.mark.parametrize("ending", ["", ".lmdb"])
def test_the_patches_of_a_training_are_those_of_prepared_images(prepared, ending):
    train = {"phase": "train", "gt_size": 32, "use_hflip": True, "use_rot": True}
    made = build_dataset(options(prepared / f"HR_x4{ending}", **train))
    stored = paired(prepared, ending, **train)
    seen = set()
    for seed in range(40):
        items = []
        for dataset in (made, stored):
            random.seed(seed)
            items.append(dataset[seed % 3])
        assert items[0]["gt"].shape == (3, 32, 32) and items[0]["lq"].shape == (3, 8, 8)
        for key in ("gt", "lq"):
            assert torch.equal(items[0][key], items[1][key]), (seed, key)
        seen.add(items[0]["gt"].numpy().tobytes())
    assert len(seen) > 30


def test_sizes_that_are_no_multiple_are_cut(tmp_path):
    image = make_image(5, 35, 41)
    write_image(tmp_path / "a.png", image)
    for scale in (2, 3, 4):
        (item,) = build_dataset(options(tmp_path, scale=scale))
        gt = mod_crop(image, scale)
        expected = [np.float32(part[..., ::-1]).transpose(2, 0, 1) / 255 for part in (gt, make_lr(gt, scale))]
        assert np.array_equal(item["gt"].numpy(), expected[0]) and np.array_equal(item["lq"].numpy(), expected[1])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_names_from_a_list(tmp_path, encoding):
    for name in ("a", "b", "c"):
        write_image(tmp_path / "gt" / f"{name}.png", make_image(0, 16, 16))
    (tmp_path / "names.txt").write_text("c.png (16,16,3)\n\na.png\n", encoding=encoding)
    dataset = build_dataset(options(tmp_path / "gt", meta_info_file=str(tmp_path / "names.txt")))
    assert [pair["gt_path"] for pair in dataset.paths] == [
        str(tmp_path / "gt" / "c.png"),
        str(tmp_path / "gt" / "a.png"),
    ]
    assert dataset[1]["lq"].shape == (3, 4, 4)


def test_images_are_normalised(tmp_path):
    write_image(tmp_path / "a.png", make_image(0, 16, 16))
    (plain,) = build_dataset(options(tmp_path))
    (item,) = build_dataset(options(tmp_path, mean=[0.5, 0.5, 0.5], std=[0.1, 0.2, 0.4]))
    for key in ("gt", "lq"):
        assert torch.allclose(item[key], (plain[key] - 0.5) / torch.tensor([0.1, 0.2, 0.4]).view(3, 1, 1))


def test_what_cannot_be_made_is_named(tmp_path):
    write_image(tmp_path / "small.png", make_image(0, 16, 20))
    dataset = build_dataset(options(tmp_path, phase="train", gt_size=24, use_hflip=False, use_rot=False))
    with pytest.raises(DataError, match=r"small\.png: 20 x 16 pixels are too few for patches of gt_size: 24"):
        dataset[0]
    with pytest.raises(DataError, match="whole scale from 2 to 16"):
        build_dataset(options(tmp_path, scale=1))


@pytest.fixture
def opt(tmp_path):
    """Options of a training whose LR images are made on the fly."""
    opt = good_train(tmp_path)
    for section in opt["datasets"].values():
        section["type"] = "BicubicPairedDataset"
        del section["dataroot_lq"]
    return opt


def test_the_check_knows_the_keys(opt):
    check_options(opt, is_train=True, source="some.yml")
    for key, value, words in (
        ("gt_sise", 16, "datasets:train:gt_sise: unknown key; did you mean gt_size?"),
        ("gt_size", ..., "datasets:train:gt_size: is missing"),
        ("gt_size", 15, "datasets:train:gt_size: 15 is not divisible by scale: 2; take 14"),
        ("gt_size", 18, "datasets:train:gt_size: 18 is larger than the image 00.png (16x16)"),
        ("dataroot_gt", "gone", "datasets:train:dataroot_gt: gone does not exist"),
        ("use_rot", "yes", "datasets:train:use_rot: expected true or false"),
    ):
        (line,) = problems(changed(opt, f"datasets:train:{key}", value))
        assert line.startswith(f"  - {words}")


def test_the_check_lists_the_names_of_a_list(opt, tmp_path):
    (tmp_path / "names.txt").write_text("00.png\ngone.png\n")
    (line,) = problems(changed(opt, "datasets:train:meta_info_file", str(tmp_path / "names.txt")))
    assert "1 files that" in line and "first: gone.png" in line


def test_a_training_and_its_validation_run(opt, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opt["train"]["total_iter"] = 4
    assert basicsr.main(["train", "-opt", str(write_options(tmp_path, opt))]) == 0
    log = next((tmp_path / "experiments/tiny").glob("*.log")).read_text()
    assert "psnr" in log and "End of training" in log


@pytest.mark.parametrize("command", ["basicsr test", "segsr evaluate"])
def test_an_evaluation_knows_the_ground_truth_and_that_no_file_holds_the_lr_image(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "HR/roads/roads01.png", make_image(0, 64, 64))
    opt = {"name": "run", "model_type": "SeGSRModel", "scale": 4, "num_gpu": 0, "path": {}}
    opt["network_g"] = {"type": "Bicubic", "upscale": 4}
    opt["datasets"] = {"test": {key: value for key, value in options("HR/roads").items() if key != "phase"}}
    metrics = {"psnr": {"type": "calculate_psnr", "crop_border": 0}}
    opt["val"] = {"save_img": True, "suffix": None, "metrics": metrics}
    path = str(write_options(tmp_path, opt))
    ran = basicsr.main(["test", "-opt", path]) if command == "basicsr test" else segsr.main(["evaluate", "-opt", path])
    assert ran == 0
    (row,) = read_record(tmp_path / "results/run/evaluation/gt").images
    assert (row.name, row.class_name, row.lq) == ("roads01", "roads", None)
    assert row.gt.path.endswith("HR/roads/roads01.png") and row.gt.read().shape == (64, 64, 3)
