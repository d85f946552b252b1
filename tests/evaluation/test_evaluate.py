import math

import cv2
import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_psnr, calculate_ssim
from basicsr.utils import img2tensor

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.chosen_metrics import ChosenMetrics
from segsr_arch.evaluation.image_checks import Images
from segsr_arch.evaluation.image_folders import ImageFolder, match_folders
from segsr_arch.evaluation.measurement import Sample, measure_samples
from segsr_arch.evaluation.methods import Item, Method, computed_samples, written_samples
from segsr_arch.evaluation.output_folder import whole_folder
from segsr_arch.metrics.metric import Metric
from segsr_arch.results.provenance import pixel_digest
from segsr_arch.results.record import ImageRow
from tests.support import make_image, write_image

CPU = torch.device("cpu")


def choose(**options):
    return ChosenMetrics(**{"scale": 2, "device": CPU} | options)


def noisy(image, seed=0):
    noise = np.random.default_rng(seed).integers(-9, 10, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_figures_are_those_of_basicsr_and_named_by_protocol():
    gt = make_image(0, 40, 36)
    sr = noisy(gt)
    chosen = choose(protocols=["y-crop", "rgb", "rgb-crop"])
    assert [column.name for column in chosen.columns] == [
        "psnr_y-crop", "psnr_rgb", "psnr_rgb-crop", "ssim_y-crop", "ssim_rgb", "ssim_rgb-crop",
    ]  # fmt: skip
    assert chosen.columns[0].title == "PSNR (y-crop), dB"
    values = chosen.measure(Images(sr=sr, gt=gt)).values
    y_crop = {"crop_border": 2, "test_y_channel": True}
    assert values["psnr_y-crop"] == pytest.approx(calculate_psnr(sr, gt, **y_crop), abs=1e-6)
    assert values["ssim_y-crop"] == pytest.approx(calculate_ssim(sr, gt, **y_crop), abs=1e-6)
    assert values["psnr_rgb"] == pytest.approx(calculate_psnr(sr, gt, crop_border=0), abs=1e-6)
    assert values["psnr_rgb-crop"] != pytest.approx(calculate_psnr(sr, gt, crop_border=2), abs=1e-4)


def test_a_small_image_keeps_the_figures_that_it_is_large_enough_for():
    gt = make_image(0, 12, 12)
    measured = choose(protocols=["y-crop", "rgb"]).measure(Images(sr=noisy(gt), gt=gt))
    assert set(measured.values) == {"psnr_y-crop", "psnr_rgb", "ssim_rgb"}
    (problem,) = measured.problems
    assert problem.startswith("ssim_y-crop: ") and "11 x 11" in problem


def test_undefined_values_are_problems_not_nan():
    black = np.zeros((16, 16, 3), np.uint8)
    measured = choose(metrics=["psnr", "sam"]).measure(Images(sr=black, gt=black))
    assert measured.values == {"psnr_y-crop": math.inf}
    assert measured.problems == ("sam: is not defined for this image (NaN)",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["psnt"]}, "psnt"),
        ({"protocols": ["y-corp"]}, "y-crop"),
        ({"metrics": ["psnr", "psnr"]}, "--metric psnr: is given twice"),
        ({"scale": None}, "y-crop: cuts a border of the scale, which is not known; give --scale or --lq"),
        ({"scale": None, "metrics": ["ergas"]}, "--metric ergas: needs the scale"),
        ({"with_gt": False}, "--metric psnr ssim: needs ground truth"),
        ({"metrics": ["lr_consistency"], "with_lq": False}, "--metric lr_consistency: needs LR images"),
    ],
)
def test_what_cannot_be_computed_is_said_before_anything_runs(options, message):
    with pytest.raises(ConfigError, match=message):
        choose(**options)


def test_options_of_the_command_line_reach_the_metric_that_they_are_for_alone():
    loader = lambda *, device, model="own": (model, lambda sr, gt: 0.0)  # noqa: E731
    other = Metric(name="other", title="Other", better="lower", description="", loader=loader)
    (column,) = choose(metrics=[other], clip_iqa_model="clip").columns
    assert column.backend == "own"


def sample(name, load, class_name="forest"):
    return Sample(row=ImageRow(name=name, class_name=class_name), load=load)


def failing(message):
    def load():
        raise DataError(message)

    return load


def test_broken_images_get_lines_and_the_others_are_measured_in_order():
    images = {f"a{index}": make_image(index, 24, 24) for index in range(6)}
    samples = [
        sample(name, lambda gt=gt, seed=seed: Images(sr=noisy(gt, seed), gt=gt))
        for seed, (name, gt) in enumerate(reversed(images.items()))
    ]
    samples.insert(2, sample("b1", failing("does not decode"), "river"))
    measured = measure_samples(iter(samples), total=7, metrics=choose(), description="test", jobs=3)
    assert [row.name for row in measured.images] == sorted(images)
    assert measured.problems == ("b1: does not decode", "class river: none of its 1 images could be measured")
    assert [row.gt_digest for row in measured.images] == [pixel_digest(images[name]) for name in sorted(images)]
    alone = measure_samples(iter(samples), total=7, metrics=choose(), description="test", jobs=1)
    assert alone.images == measured.images


def test_an_error_that_is_no_data_error_is_not_swallowed():
    def broken():
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        measure_samples([sample("a1", broken)], total=1, metrics=choose(), description="test")


def test_folders_are_measured_with_the_problems_of_matching(tmp_path):
    for index in range(3):
        image = make_image(index, 32, 32)
        write_image(tmp_path / f"gt/a{index}.png", image)
        write_image(tmp_path / f"lq/a{index}.png", cv2.resize(image, (16, 16)))
        if index:
            write_image(tmp_path / f"sr/a{index}.png", noisy(image))
    gt, lq, sr = (ImageFolder.open(tmp_path / name, f"--{name}") for name in ("gt", "lq", "sr"))
    matching = match_folders(sr, gt, lq)
    samples, chosen = written_samples(matching, scale=2), choose(metrics=["psnr", "lr_consistency"])
    measured = measure_samples(samples, total=2, metrics=chosen, description="test")
    assert [set(row.values) for row in measured.images] == [{"psnr_y-crop", "lr_consistency"}] * 2
    assert measured.images[0].gt.path.endswith("gt/a1.png")
    assert matching.problems[0].startswith("a0: no SR image")


def test_a_method_is_run_and_its_images_and_maps_are_kept(tmp_path):
    pairs = {f"forest/a{index}": make_image(index, 32, 32) for index in range(3)}

    def item(name):
        gt = pairs[name]
        return Item(row=ImageRow(name=name, class_name="forest"), read=lambda: (name, cv2.resize(gt, (16, 16)), gt))

    def super_resolve(name):
        if name == "forest/a1":
            raise DataError("the network gives NaN")
        return img2tensor(noisy(pairs[name]) / 255)

    method = Method(
        name="m",
        super_resolve=super_resolve,
        guidance=lambda name: np.full((2, 3, 4), 0.5, np.float16),
        cells_per_pixel=0.25,
    )
    samples = computed_samples(method, map(item, pairs), scale=2, folder=tmp_path)
    measured = measure_samples(samples, total=3, metrics=choose(), description="test")
    assert measured.problems == ("forest/a1: the network gives NaN",)
    row = measured.images[0]
    assert np.array_equal(row.sr.read(), noisy(pairs["forest/a0"]))
    with np.load(row.maps.path) as maps:
        assert maps["maps"].shape == (2, 3, 4) and maps["cells_per_pixel"] == 0.25
    assert not (tmp_path / "sr/forest/a1.png").exists()
    samples = computed_samples(method, map(item, pairs), scale=2, folder=tmp_path / "no", save_images=False)
    without = measure_samples(samples, total=3, metrics=choose(), description="test")
    assert without.images[0].sr is None and not (tmp_path / "no/sr").exists()


def test_a_folder_appears_whole_and_what_was_there_is_kept(tmp_path):
    place = tmp_path / "results/run"
    for content in ("first", "second"):
        with whole_folder(place) as partial:
            assert not list(partial.iterdir())
            (partial / "file").write_text(content)
            assert not place.exists() or (place / "file").read_text() == "first"
    assert (place / "file").read_text() == "second"
    (archived,) = place.parent.glob("run_archived_*")
    assert (archived / "file").read_text() == "first"
    with pytest.raises(KeyError), whole_folder(place) as partial:
        raise KeyError
    assert (place / "file").read_text() == "second" and not partial.exists()
    partial.mkdir()
    with whole_folder(place) as partial:  # what one that was killed left is no obstacle
        (partial / "file").write_text("third")
    assert (place / "file").read_text() == "third"
    assert len(list(place.parent.glob("run_archived_*"))) == 2
