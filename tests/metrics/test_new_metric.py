"""A new metric is one file with one entry: commands, tables, validation and the option check know it from that."""

import sys

import numpy as np
import pytest
import torch
from basicsr.utils.registry import METRIC_REGISTRY

from segsr_arch.cli import basicsr, segsr
from segsr_arch.config.metrics import check_metrics
from segsr_arch.config.problems import Problems
from segsr_arch.metrics.catalogue import find_metric
from segsr_arch.metrics.entries import MetricEntry, register_metric
from segsr_arch.metrics.metric import Metric, plain
from segsr_arch.results.reading import read_record
from segsr_arch.results.record import SetValue
from tests.evaluation.test_trained_network import write_test_options
from tests.support import make_image, write_image

FILE = """
import torch

from segsr_arch.metrics.entries import register_metric
from segsr_arch.metrics.metric import Metric


def load(*, device, power: float = 1.0):
    def largest(sr, gt):
        assert sr.shape[:2] == (1, 3) and sr.dtype == torch.float32 and sr.max() <= 1
        return float((sr - gt).abs().max() ** power)

    return f"power {power}", largest


register_metric(
    Metric(
        name="largest",
        title="Largest error",
        better="lower",
        decimals=2,
        reads="RGB",
        smallest_side=8,
        description="Largest difference of two samples, 0 if identical.",
        loader=load,
    )
)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working folder with the file; what it registers is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(METRIC_REGISTRY, "_obj_map", dict(METRIC_REGISTRY._obj_map))
    (tmp_path / "largest_metric.py").write_text(FILE)
    yield tmp_path
    sys.modules.pop("largest_metric", None)


def largest(row):
    return np.abs(row.sr.read().astype(float) - row.gt.read()).max() / 255


def test_evaluate_measures_folders_by_it(here, capsys):
    for index in range(2):
        write_image(here / f"gt/{index}.png", make_image(index, 32, 32))
        write_image(here / f"near/{index}.png", make_image(index, 32, 32) // 2)
        write_image(here / f"far/{index}.png", make_image(index + 5, 32, 32) // 255)
    methods = ["--sr", "near=near", "--sr", "far=far", "--gt", "gt", "--scale", "4"]
    assert segsr.main(["evaluate", *methods, "--metric", "largest", "--imports", "largest_metric.py"]) == 0
    out = capsys.readouterr().out
    record = read_record(here / "results/near/evaluation/gt")
    (column,) = record.columns
    assert (column.name, column.better, column.title, column.backend) == (
        *("largest", "lower", "Largest error", "power 1.0"),
    )
    for row in record.images:
        assert row.values["largest"] == pytest.approx(largest(row), abs=1e-6)
    assert "Largest error" in out and f"{record.summary['largest'].mean:.2f} [" in out
    (pair,) = (line for line in out.splitlines() if line.startswith("near against far"))
    assert pair.split()[-2:] == ["100.0%", "0.0%"]  # the lower one has won
    assert segsr.main(["evaluate", "--list", "--imports", "largest_metric.py"]) == 0
    assert "  calculate_largest: Largest difference of two samples, 0 if identical.\n" in capsys.readouterr().out


def test_option_files_of_tests_name_it(here, capsys):
    val = {"save_img": True, "suffix": None}
    val["metrics"] = {"big": {"type": "calculate_largest", "power": 2.0, "better": "lower"}}
    path = str(write_test_options(here, val=val, imports=["largest_metric.py"]))
    assert basicsr.main(["test", "-opt", path]) == 0, capsys.readouterr().err
    for command in ([], ["evaluate", "-opt", path, "--metric", "big", "--no-cost"]):
        if command:
            assert segsr.main(command) == 0, capsys.readouterr().err
        record = read_record(here / "results/tiny/evaluation/made")
        (column,) = record.columns
        assert (column.metric, column.better, column.decimals) == ("largest", "lower", 2)
        for row in record.images:
            assert row.values[column.name] == pytest.approx(largest(row) ** 2, abs=1e-6)
    assert column.backend == "power 2.0"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"better": "lower"}, None),
        ({"power": 2.0, "better": "lower"}, None),
        ({}, "val:metrics:m:better: must be lower for calculate_largest, got higher"),
        (
            {"better": "lower", "powr": 2.0},
            "val:metrics:m:powr: calculate_largest has no such option; did you mean power",
        ),
        ({"better": "lower", "power": "two"}, "val:metrics:m:power: expected a number"),
    ],
)
def test_the_option_check_knows_its_direction_and_its_options(options, said):
    exec(FILE, {"__name__": "largest_metric"})
    problems = Problems()
    check_metrics(problems, {"m": {"type": "calculate_largest", **options}}, 4)
    assert len(problems.lines) == (said is not None)
    assert said is None or said in problems.lines[0]


def spread_metric(**changes):
    """A metric of whole sets: how far the mean greys of two sets lie apart."""
    declared = {"title": "Spread", "better": "lower", "description": "Made up.", "reads": "8-bit RGB"}
    declared["loader"] = plain(lambda image: image.mean(axis=(0, 1)), backend="numpy")
    declared["combine"] = lambda sr, gt: SetValue(value=float(np.abs(sr.mean() - gt.mean())), std=None, n=len(sr))
    return Metric(name="spread", **declared | changes)


def test_one_of_whole_sets_has_its_value_as_a_mean_in_stock_loops():
    entry = METRIC_REGISTRY.get(f"calculate_{register_metric(spread_metric()).name}")
    pairs = [(make_image(seed, 16, 16) // 2, make_image(seed, 16, 16)) for seed in range(3)]
    measure = find_metric("spread").load(device=torch.device("cpu"))
    expected = measure.metric.value_of_set([measure.features(*pair) for pair in pairs]).value
    assert expected > 1 and entry.combine([entry.features(*pair) for pair in pairs]).value == expected
    for _ in range(2):  # two validations
        assert np.mean([entry(*pair, images=3) for pair in pairs]) == pytest.approx(expected)


def test_one_of_whole_sets_cannot_have_options():
    with pytest.raises(TypeError, match="spread: a metric of whole sets cannot have options: layer"):
        spread_metric(loader=lambda *, device, layer=3: None)


def test_the_signature_of_an_entry_is_made_from_what_the_metric_needs():
    loader = lambda *, device, depth: None  # noqa: E731
    metric = Metric(
        name="m", title="M", better="higher", description="", needs="nothing", needs_scale=True, loader=loader
    )
    entry = MetricEntry(metric)
    assert str(entry.__signature__).startswith(
        "(img: numpy.ndarray, img2: numpy.ndarray | None = None, *, scale: int, "
    )
    assert list(entry.__signature__.parameters) == ["img", "img2", "scale", "depth", "better"]
    assert entry.__signature__.parameters["better"].default == "higher"
