"""Metrics that a user's file registers, as metrics of ``segsr evaluate``."""

import textwrap

import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_niqe
from basicsr.utils.registry import METRIC_REGISTRY

from segsr_arch.cli.segsr import main
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation import trained_network as trained
from segsr_arch.evaluation.chosen_metrics import ChosenMetrics
from segsr_arch.evaluation.image_checks import check_images
from segsr_arch.metrics.catalogue import CATALOGUE, find_metric
from segsr_arch.metrics.measures.fidelity import psnr
from segsr_arch.metrics.registered import describe
from segsr_arch.results.reading import read_record
from tests.evaluation.test_trained_network import write_test_options
from tests.support import know_to_pyiqa, make_image, write_image

SHARPNESS = '''
import numpy as np
from basicsr.utils.registry import METRIC_REGISTRY

@METRIC_REGISTRY.register()
def calculate_{name}(img, img2, power=1, **kwargs):
    """How much steeper the SR image is."""
    steepness = [np.abs(np.diff(image.astype(float), axis=0)).mean() for image in (img, img2)]
    return (steepness[0] - steepness[1]) ** power
'''


@pytest.fixture
def register(monkeypatch):
    """Register a function with BasicSR for one test."""
    monkeypatch.setattr(METRIC_REGISTRY, "_obj_map", dict(METRIC_REGISTRY._obj_map))
    return METRIC_REGISTRY.register


@pytest.fixture
def here(tmp_path, monkeypatch, register):
    """A working folder with images, and a file with a metric; its name is new to this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for index in range(2):
        write_image(tmp_path / f"gt/{index}.png", make_image(index, 32, 32))
        write_image(tmp_path / f"sr/{index}.png", make_image(index + 5, 32, 32))
    return tmp_path


def write_metric(folder, name):
    (folder / f"{name}_metric.py").write_text(textwrap.dedent(SHARPNESS).format(name=name))
    return f"{name}_metric.py"


def steeper(sr, gt):
    return np.subtract(*(np.abs(np.diff(image.astype(float), axis=0)).mean() for image in (sr, gt)))


def measure(name, sr, gt, section=None):
    return find_metric(name, section).load(device=torch.device("cpu"))(sr, gt, None, 4)


def test_its_options_are_those_of_the_option_file(register):
    seen = []

    def calculate_made(img, img2, scale, weight=1.0, better="lower"):
        seen.append((scale, weight, better))
        return weight * float(img.mean() - img2.mean())

    register(calculate_made)
    sr, gt = make_image(0), make_image(1)
    plain = float(sr.mean() - gt.mean())
    section = {"m": {"type": "calculate_made", "weight": 3.0, "better": "higher"}}
    assert measure("made", sr, gt) == pytest.approx(plain)
    for name in ("calculate_made", "m"):
        assert measure(name, sr, gt, section) == pytest.approx(3 * plain)
    assert seen == [(4, 1.0, "lower"), (4, 3.0, "higher"), (4, 3.0, "higher")]
    assert (find_metric("made").better, find_metric("m", section).better) == ("lower", "higher")
    assert find_metric("m", section).load(device=None).backend.endswith("weight 3.0")


def test_names_of_the_catalogue_stay(register):
    def calculate_lpips(img, img2):
        return 42.0

    register(calculate_lpips)
    assert find_metric("lpips") is CATALOGUE["lpips"]
    assert measure("calculate_lpips", make_image(0), make_image(1)) == 42.0
    assert find_metric("calculate_dists") is CATALOGUE["dists"]


def test_an_option_that_a_metric_must_have_is_named(register):
    def calculate_windowed(img, img2, window):
        return 0.0

    register(calculate_windowed)
    with pytest.raises(
        ConfigError, match=r"--metric windowed: needs window; give it in an option file \(-opt\), under"
    ):
        find_metric("windowed")


def test_a_metric_of_basicsr_needs_no_ground_truth_and_is_of_the_whole_image_unless_told():
    section = {"niqe": {"type": "calculate_niqe", "crop_border": 4}}
    assert find_metric("niqe", section).needs == "nothing"
    image = make_image(0, 192, 192)
    assert measure("niqe", image, None) == pytest.approx(float(calculate_niqe(image, 0)))
    image = make_image(0, 200, 200)
    assert measure("niqe", image, None, section) == pytest.approx(float(calculate_niqe(image, 4)))


def test_one_that_fails_for_an_image_says_so(register):
    def calculate_broken(img, img2):
        raise IndexError("band 4")

    register(calculate_broken)
    with pytest.raises(DataError, match="broken: IndexError: band 4"):
        measure("broken", make_image(0), make_image(1))


def test_images_of_any_method_are_measured_by_a_metric_of_a_file(here, capsys):
    file = write_metric(here, "steep")
    arguments = ["evaluate", "--sr", "m=sr", "--gt", "gt", "--scale", "4", "--metric", "psnr", "steep"]
    assert main(arguments) == 2
    assert "metric 'steep' is not known" in capsys.readouterr().err and not (here / "results").exists()
    assert main([*arguments, "--imports", file]) == 0
    record = read_record(here / "results/m/evaluation/gt")
    assert [column.name for column in record.columns] == ["psnr_y-crop", "steep"]
    assert record.columns[1].backend == "calculate_steep of steep_metric"
    for row in record.images:
        assert row.values["steep"] == pytest.approx(steeper(row.sr.read(), row.gt.read()))
    assert main(["evaluate", "--list", "--imports", file]) == 0
    assert "  calculate_steep: How much steeper the SR image is.\n" in capsys.readouterr().out


def test_a_metric_of_imports_is_known_before_the_network_is_built(here, capsys, monkeypatch):
    val = {"save_img": False, "suffix": None, "metrics": {"slope": {"type": "calculate_slope", "power": 2}}}
    path = str(write_test_options(here, val=val, imports=[write_metric(here, "slope")]))
    assert main(["evaluate", "-opt", path, "--metric", "slope", "--no-cost"]) == 0
    record = read_record(here / "results/tiny/evaluation/made")
    for row in record.images:
        assert row.values["slope"] == pytest.approx(steeper(row.sr.read(), row.gt.read()) ** 2)
    capsys.readouterr()
    monkeypatch.setattr(trained, "build_model", lambda opt: pytest.fail("the network was built"))
    assert main(["evaluate", "-opt", path, "--metric", "slop"]) == 2
    assert "metric 'slop' is not known" in capsys.readouterr().err
    assert main(["evaluate", "-opt", path, "--imports", "slope_metric.py"]) == 2
    assert "--imports: is for --sr" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ({"type": "calculate_psnr", "crop_border": 0}, True),
        ({"type": "calculate_niqe", "crop_border": 0}, False),
        ({"type": "calculate_clip_iqa"}, False),
        ({"type": "calculate_protocol_psnr", "scale": 2}, True),
        ({"type": "calculate_lr_consistency", "scale": 2}, True),  # BasicSR passes no LR image, it is made of this
        ({"type": "calculate_omission", "scale": 2}, True),
        ({"type": "calculate_kid", "images": 2}, True),
        ({"type": "calculate_pyiqa", "metric": "musiq"}, False),
        ({"type": "calculate_pyiqa", "metric": "fsim"}, True),
    ],
)
def test_which_metrics_compare(monkeypatch, options, needs):
    know_to_pyiqa(monkeypatch, musiq="NR", fsim="FR")
    assert describe(options).needs_ground_truth is needs


@pytest.mark.parametrize(
    ("function", "needs"),
    [
        (lambda img, img2, crop: 0.0, True),
        (lambda img, img2=None: 0.0, False),
        (lambda img, **kwargs: 0.0, False),
    ],
)
def test_a_function_from_elsewhere_says_it_by_its_parameters(monkeypatch, function, needs):
    monkeypatch.setitem(METRIC_REGISTRY._obj_map, "from_elsewhere", function)
    assert describe({"type": "from_elsewhere"}).needs_ground_truth is needs


def test_a_function_that_takes_the_scale_is_not_given_a_made_up_one(here, capsys, register):
    def calculate_scaled(img, img2, scale):
        return float(scale)

    register(calculate_scaled)
    arguments = ["evaluate", "--sr", "m=sr", "--gt", "gt", "--metric", "scaled"]
    assert main(arguments) == 2
    assert "--metric scaled: needs the scale, which is not known; give --scale or --lq" in capsys.readouterr().err
    assert main([*arguments, "--scale", "3"]) == 0
    assert {row.values["scaled"] for row in read_record(here / "results/m/evaluation/gt").images} == {3.0}


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"type": "calculate_niqe", "crop_border": 4}, (104, 200)),
        ({"type": "calculate_ssim", "crop_border": 2}, (15, 15)),
        ({"type": "calculate_protocol_ssim", "scale": 3}, (17, 17)),
        ({"type": "calculate_protocol_psnr", "scale": 3, "protocol": "y-full"}, (4, 4)),
        ({"type": "calculate_lpips"}, (31, 31)),
    ],
)
def test_smallest_images(options, size):
    assert describe(options).smallest_size(options) == size


def test_options_of_a_metric_of_the_package_are_those_of_the_option_file(tmp_path):
    section = {"quality": {"type": "calculate_clip_iqa", "model": str(tmp_path / "none")}}
    assert find_metric("quality", section).options["model"].default == str(tmp_path / "none")
    assert find_metric("quality", {"quality": {"type": "calculate_clip_iqa"}}) is CATALOGUE["clip_iqa"]


def test_a_name_of_the_catalogue_has_the_options_of_its_entry():
    section = {
        "clip_iqa_rn50": {"type": "calculate_clip_iqa_rn50", "architecture": "RN101", "better": "higher"},
        "sam": {"type": "calculate_lpips"},
        "psnr": {"type": "calculate_psnr", "crop_border": 4, "test_y_channel": True},
        "ssim": {"type": "calculate_protocol_ssim", "protocol": "rgb-crop", "scale": 4},
    }
    assert find_metric("clip_iqa_rn50", section).options["architecture"].default == "RN101"
    assert find_metric("clip_iqa_rn50", section).name == "clip_iqa_rn50"
    for name in ("sam", "psnr", "ssim", "lpips"):
        assert find_metric(name, section) is CATALOGUE[name]


def test_an_entry_is_measured_by_the_protocol_that_it_names():
    section = {"mine": {"type": "calculate_protocol_psnr", "protocol": "rgb-crop", "scale": 4}}
    given = {"scale": 4, "device": torch.device("cpu")}
    mine = find_metric("mine", section)
    chosen = ChosenMetrics(metrics=[mine, find_metric("psnr", section)], protocols=["y-crop", "rgb"], **given)
    assert [column.name for column in chosen.columns] == ["psnr_rgb-crop", "psnr_y-crop", "psnr_rgb"]
    sr, gt = make_image(0), make_image(1)
    values = chosen.measure(check_images(sr=sr, gt=gt, lq=None, scale=4)).values
    assert values == {name: pytest.approx(psnr(sr, gt, scale=4, protocol=name[5:])) for name in values}
    assert set(values) == {column.name for column in chosen.columns}
    alone = ChosenMetrics(metrics=[mine], **given).measure(check_images(sr=sr, gt=gt, lq=None, scale=4)).values
    assert list(alone) == ["psnr_rgb-crop"]
    with pytest.raises(ConfigError, match="--metric psnr_rgb-crop: is given twice"):
        ChosenMetrics(metrics=[mine, "psnr"], protocols=["rgb-crop"], **given)
