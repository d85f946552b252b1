"""The files that a validation of SeGSRModel leaves, and what TensorBoard gets of it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from basicsr.data import build_dataloader, build_dataset
from basicsr.metrics import calculate_psnr
from basicsr.models import build_model
from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY

from segsr_arch.errors import DataError, SaveError
from segsr_arch.evaluation.chosen_metrics import ChosenMetrics
from segsr_arch.metrics.catalogue import find_metric
from segsr_arch.models.tensorboard_images import map_strip
from segsr_arch.models.validation_record import describe_metrics
from segsr_arch.results.reading import read_record
from segsr_arch.results.record import SetValue
from tests.cli.runs import make_options, make_pairs, run_here, write_options
from tests.models.tiny import tiny_options
from tests.support import TINY_SEMANTICS


def loader_of(model):
    options = model.opt["datasets"]["val"]
    return build_dataloader(build_dataset(options), options, num_gpu=0)


class Writer:
    """Takes what a TensorBoard writer would."""

    def __init__(self):
        self.images, self.scalars = {}, {}

    def add_image(self, tag, image, step, dataformats):
        self.images[tag, step] = (np.asarray(image), dataformats)

    def add_scalar(self, tag, value, step):
        self.scalars[tag, step] = value


def test_a_validation_writes_each_image_each_class_and_the_mean_that_is_logged(tmp_path):
    model = build_model(tiny_options(tmp_path, images=4))
    for folder in ("HR", "LR"):  # two classes by name
        for index, name in enumerate(("forest01", "forest02", "river1", "river2")):
            (tmp_path / f"data/{folder}/im{index}.png").rename(tmp_path / f"data/{folder}/{name}.png")
    model.trained_iter = 7
    model.validation(loader_of(model), 8, None, True)
    folder = tmp_path / "validation/made_val/00000007"
    record = read_record(folder)
    assert (record.method, record.dataset, record.scale, record.iteration) == ("tiny", "made_val", 2, 7)
    assert [row.name for row in record.images] == ["forest01", "forest02", "river1", "river2"]
    for row in record.images:
        expected = calculate_psnr(row.sr.read(), row.gt.read(), crop_border=2, test_y_channel=True)
        assert row.values["psnr_y-crop"] == pytest.approx(expected, abs=1e-9)
        assert row.lq.read().shape == (16, 16, 3)
    assert record.summary["psnr_y-crop"].mean == pytest.approx(model.metric_results["psnr"], abs=1e-12)
    with open(folder / "classes.csv", newline="") as file:
        table = {line["class"]: line for line in csv.DictReader(file)}
    forest = [record.images[0].values["psnr_y-crop"], record.images[1].values["psnr_y-crop"]]
    assert table["forest"]["images"] == "2" and float(table["forest"]["psnr_y-crop"]) == pytest.approx(np.mean(forest))
    assert table["mean"]["images"] == "4"
    provenance = json.loads((folder / "evaluation.json").read_text())["provenance"]
    assert "random" in provenance["vlm"] and len(provenance["data_digest"]) == 64 and provenance["seed"] == 0


def test_a_test_run_writes_beside_its_results(tmp_path):
    model = build_model(tiny_options(tmp_path, is_train=False))
    model.validation(loader_of(model), "tiny", None, False)
    record = read_record(tmp_path / "results/evaluation/made_val")
    assert record.iteration is None and len(record.images) == 5


def test_set_metrics_are_combined_and_undefined_values_left_out(tmp_path, monkeypatch):
    def sometimes(img, img2):
        return float("nan") if img2.sum() % 2 else 1.0

    def spread(img, img2):
        raise AssertionError("a set metric has no value of one image")

    spread.set_metric = True
    spread.features = lambda img, img2: np.array([img2.mean()])
    spread.combine = lambda features: SetValue(value=float(np.std(features)), std=None, n=len(features))
    monkeypatch.setitem(METRIC_REGISTRY._obj_map, "sometimes", sometimes)
    monkeypatch.setitem(METRIC_REGISTRY._obj_map, "spread", spread)
    options = tiny_options(tmp_path)
    options["val"]["metrics"] = {"some": {"type": "sometimes"}, "spread": {"type": "spread"}}
    model = build_model(options)
    model.trained_iter = 1
    model.validation(loader_of(model), 1, None, False)
    record = read_record(tmp_path / "validation/made_val/00000001")
    sums = {row.name: int(row.gt.read().sum()) for row in record.images}
    odd = [name for name, value in sums.items() if value % 2]
    assert 0 < len(odd) < 5
    assert [line.split(":")[0] for line in record.problems] == odd
    assert model.metric_results["some"] == 1.0 and record.summary["some"].n == 5 - len(odd)
    means = [row.gt.read().mean() for row in record.images]
    assert record.set_values["spread"].value == pytest.approx(np.std(means)) == model.metric_results["spread"]


def test_tensorboard_gets_the_first_images_with_maps_and_lr_and_hr_once(tmp_path):
    options = tiny_options(tmp_path)
    options["val"]["tensorboard_images"] = 2
    model = build_model(options)
    writer, loader = Writer(), loader_of(model)
    first, second = (Path(paths["lq_path"]).stem for paths in loader.dataset.paths[:2])  # in the order of the folder
    for iteration in (1, 2):
        model.trained_iter = iteration
        model.validation(loader, iteration, writer, False)
    shown = {tag for tag, step in writer.images if step == 2}
    assert shown == {f"made_val/{name}/{role}" for name in (first, second) for role in ("sr", "maps")}
    assert {tag for tag, step in writer.images if step == 1} - shown == {
        f"made_val/{name}/{role}" for name in (first, second) for role in ("lq", "gt")
    }
    strip, layout = writer.images[f"made_val/{first}/maps", 1]
    assert (strip.shape, layout) == ((16, 2 * 16, 3), "HWC")
    sr, layout = writer.images[f"made_val/{first}/sr", 2]
    assert sr.shape == (3, 32, 32) and layout == "CHW" and 0 <= sr.min() <= sr.max() <= 1
    assert writer.scalars


def without_maps(modules):
    return {
        "type": "SemanticSR",
        "base": {"type": "MSRResNet", "num_feat": 4, "num_block": 2, "upscale": 2},
        "units": 2,
        "semantics": {**TINY_SEMANTICS, "modules": modules},
    }


@pytest.mark.parametrize("modules", ["sfem", "sfem+lmm"])
def test_a_guide_without_maps_shows_its_images_alone(tmp_path, modules):
    model = build_model(tiny_options(tmp_path, network=without_maps(modules)))
    writer, loader = Writer(), loader_of(model)
    model.trained_iter = 1
    model.validation(loader, 1, writer, False)
    assert {tag.rsplit("/", 1)[1] for tag, _ in writer.images} == {"lq", "sr", "gt"}
    assert writer.scalars


def test_a_training_with_a_guide_without_maps_leaves_its_record(tmp_path, monkeypatch):
    options = make_options(tmp_path, iterations=2, val_freq=2) | {
        "model_type": "SeGSRModel",
        "network_g": without_maps("sfem"),
    }
    make_pairs(tmp_path)
    options["logger"]["use_tb_logger"] = True
    path = write_options(tmp_path, options)
    assert run_here(["train", "-opt", path], monkeypatch, tmp_path) == 0
    record = read_record(tmp_path / "experiments/tiny/validation/few/00000002")
    assert len(record.images) == 8 and record.problems == () and record.iteration == 2
    assert "random(0)" in record.provenance["vlm"] and record.summary["psnr_rgb"].n == 8
    assert list((tmp_path / "tb_logger/tiny").glob("events.*"))
    saved = torch.load(tmp_path / "experiments/tiny/models/net_g_latest.pth", weights_only=True)
    parts = {name.split(".")[1] for name in saved["params"] if name.startswith("guide.")}
    assert parts == {"feature_extraction", "projection"}


def test_maps_are_drawn_on_one_scale():
    strip = map_strip(torch.stack([torch.zeros(2, 2), torch.full((2, 2), 0.5), torch.ones(2, 2)]))
    lightness = strip.astype(int).sum(axis=-1)[0, ::2]
    assert lightness[0] < lightness[1] < lightness[2]


def test_a_training_outlives_a_disk_that_is_full_when_figures_are_written(tmp_path, monkeypatch, caplog):
    def full(*_args, **_options):
        raise SaveError("images.csv: cannot be written (No space left on device).")

    monkeypatch.setattr("segsr_arch.models.validated_model.write_record", full)
    model = build_model(tiny_options(tmp_path))
    model.trained_iter = 1
    logger = get_root_logger()
    logger.addHandler(caplog.handler)
    try:
        model.validation(loader_of(model), 1, None, False)
    finally:
        logger.removeHandler(caplog.handler)
    assert "No space left" in caplog.text and "training goes on" in caplog.text
    assert (tmp_path / "models/net_g_best.pth").is_file()


def test_metrics_are_described_with_the_protocol_that_they_amount_to(monkeypatch):
    def psnr_of_others(img, img2, crop_border, test_y_channel):
        """Something else."""

    monkeypatch.setitem(METRIC_REGISTRY._obj_map, "psnr", psnr_of_others)
    psnr = {"type": "calculate_psnr", "crop_border": 4, "test_y_channel": True}
    columns = describe_metrics(
        {
            "psnr": psnr,
            "wide": {**psnr, "crop_border": 0},
            "rgb": {"type": "calculate_psnr", "crop_border": 0},
            "sam": {"type": "calculate_sam"},
            "mine": {"type": "calculate_protocol_ssim", "protocol": "rgb-crop", "scale": 4},
            "of x2": {"type": "calculate_protocol_ssim", "protocol": "rgb-crop", "scale": 2},
            "psnr of others": {**psnr, "type": "psnr"},
        },
        4,
    )
    assert [column.protocol for column in columns] == ["y-crop", None, "rgb", None, "rgb-crop", None, None]
    assert [column.title for column in columns[:2]] == ["PSNR (y-crop), dB", "PSNR, dB"]
    assert columns[3].better == "lower" and columns[3].unit == "rad"
    assert "crop_border 4" in columns[0].backend


def test_the_backend_of_a_validation_is_that_of_an_evaluation():
    entries = {
        "mine": {"type": "calculate_protocol_psnr", "protocol": "y-crop", "scale": 4},
        "sam": {"type": "calculate_sam"},
        "niqe": {"type": "calculate_niqe", "crop_border": 4},
    }
    columns = describe_metrics(entries, 4)
    device = torch.device("cpu")
    chosen = ChosenMetrics(
        metrics=[find_metric("psnr"), find_metric("sam"), find_metric("niqe", entries)], scale=4, device=device
    )
    assert [column.backend for column in columns] == [column.backend for column in chosen.columns]


def test_an_image_of_nan_is_not_measured_as_if_it_were_black(tmp_path, caplog):
    model = build_model(tiny_options(tmp_path))
    loader = loader_of(model)
    broken = Path(loader.dataset.paths[1]["lq_path"]).stem
    real, names = model.test, []

    def test():
        real()
        names.append(None)
        if len(names) == 2:
            model.output[..., 3, 3] = float("nan")

    model.test = test
    model.trained_iter = 1
    logger = get_root_logger()
    logger.addHandler(caplog.handler)
    try:
        model.validation(loader, 1, None, True)
    finally:
        logger.removeHandler(caplog.handler)
    record = read_record(tmp_path / "validation/made_val/00000001")
    assert record.problems == (f"{broken}: the network gives NaN or infinity in 3 of 3072 values",)
    assert broken in caplog.text and broken not in record.values("psnr_y-crop") and record.summary["psnr_y-crop"].n == 4
    assert not (tmp_path / f"visualization/{broken}").exists()


def test_a_set_metric_that_cannot_be_computed_does_not_end_the_training(tmp_path, monkeypatch):
    def needs_two(features):
        raise DataError("needs at least 2 image pairs, got 1")

    def lonely(img, img2):
        raise AssertionError

    lonely.set_metric, lonely.features, lonely.combine = True, lambda img, img2: np.zeros(1), needs_two
    monkeypatch.setitem(METRIC_REGISTRY._obj_map, "lonely", lonely)
    options = tiny_options(tmp_path, images=1)
    options["val"]["metrics"] = {"lonely": {"type": "lonely"}}
    model = build_model(options)
    model.trained_iter = 1
    model.validation(loader_of(model), 1, None, False)
    record = read_record(tmp_path / "validation/made_val/00000001")
    assert record.problems == ("lonely: needs at least 2 image pairs, got 1",) and record.set_values == {}


def test_classes_are_told_by_the_names_of_the_whole_set(tmp_path):
    model = build_model(tiny_options(tmp_path, images=2))
    for folder in ("HR", "LR"):  # all end in the scale, which is no number of an image
        for index, name in enumerate(("babyx4", "forest7x4")):
            (tmp_path / f"data/{folder}/im{index}.png").rename(tmp_path / f"data/{folder}/{name}.png")
    model.trained_iter = 1
    model.validation(loader_of(model), 1, None, False)
    record = read_record(tmp_path / "validation/made_val/00000001")
    assert [row.class_name for row in record.images] == ["", "forest"]
