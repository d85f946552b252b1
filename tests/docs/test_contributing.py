"""What CONTRIBUTING.md says is done here as it stands there, in a scratch folder."""

import importlib.util
import json
import re
import sys

import numpy as np
import pytest
import torch
from basicsr.utils import img_util
from basicsr.utils import registry as stock_registry

from segsr_arch.cli import basicsr, segsr
from segsr_arch.compat import patching
from segsr_arch.metrics import catalogue, measures
from segsr_arch.preparation import data_set
from segsr_arch.results.reading import read_record
from tests.cli.runs import make_options, make_pairs, write_options
from tests.support import ROOT, TINY_SEMANTICS, make_image, write_image

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def block(section):
    """The code below a heading."""
    return re.search(rf"^## {section}$.*?```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)[1]


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A scratch folder as working directory; what is registered there is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("ARCH_REGISTRY", "METRIC_REGISTRY", "MODEL_REGISTRY"):
        registry = getattr(stock_registry, name)
        monkeypatch.setattr(registry, "_obj_map", dict(registry._obj_map))
    known = set(sys.modules)
    yield tmp_path
    made = ("small_net_arch", "largest_error", f"{measures.__name__}.largest_error", "noisy_model")
    for name in {*made} - known:
        sys.modules.pop(name, None)


def train(here, **changes):
    """Train two iterations with these options in place of the tiny ones; returns the exit code."""
    make_pairs(here / "pairs", count=4)
    opt = make_options(here / "pairs", iterations=2)
    opt["train"] |= changes.pop("train", {})
    return basicsr.main(["train", "-opt", str(write_options(here, opt | changes))])


@pytest.mark.parametrize("guided", [False, True])
def test_a_network(here, capsys, guided):
    (here / "small_net_arch.py").write_text(block("Add a network"))
    network = {"type": "SmallNet", "scale": 2}
    if guided:
        network = {"type": "SemanticSR", "base": network, "units": 2, "semantics": TINY_SEMANTICS}
    assert train(here, imports=["small_net_arch.py"], network_g=network) == 0, capsys.readouterr().err
    assert (here / "experiments/tiny/models/net_g_latest.pth").is_file()


def test_a_metric(here, capsys):
    (here / "largest_error.py").write_text(block("Add a metric"))
    for index in range(2):
        write_image(here / f"gt/{index}.png", make_image(index, 16, 16))
        write_image(here / f"sr/{index}.png", make_image(index + 2, 16, 16))
    methods = ["--sr", "ours=sr", "--gt", "gt", "--scale", "4"]
    command = ["evaluate", *methods, "--metric", "largest_error", "--imports", "largest_error.py"]
    assert segsr.main(command) == 0, capsys.readouterr().err
    record = read_record(here / "results/ours/evaluation/gt")
    for row in record.images:
        expected = np.abs(row.sr.read().astype(float) - row.gt.read()).max() / 255
        assert row.values["largest_error"] == pytest.approx(expected, abs=1e-6)
    assert "Largest error" in capsys.readouterr().out


def test_a_metric_of_the_package_is_found_by_itself(here, monkeypatch):
    entry = block("Add a metric").replace("register_metric(\n", "METRICS = [\n").rstrip().removesuffix(")") + "]\n"
    (here / "largest_error.py").write_text(entry)
    monkeypatch.setattr(measures, "__path__", [*measures.__path__, str(here)])
    first, second, third, *others = catalogue.collect()
    assert (
        [first, second, third] == ["cpsnr", "psnr", "ssim"] and others == sorted(others) and "largest_error" in others
    )


def test_a_data_set(here, capsys, monkeypatch):
    monkeypatch.setattr(data_set, "REGISTERED", registered := dict(data_set.REGISTERED))
    monkeypatch.setattr("segsr_arch.cli.arguments.prepare.DATA_SETS", registered)
    (here / "two_fields.py").write_text(block("Add a data set"))
    load(here / "two_fields.py")
    for number in range(12):
        write_image(here / f"src/{'ab'[number % 2]}/{number:02}.png", make_image(number, 40, 40))
    assert segsr.main(["prepare", "twofields", "src", "dst", "--patch", "8", "--jobs", "1"]) == 0
    counts = json.loads((here / "dst/manifest.json").read_text())["counts"]
    assert {split: of["images"] for split, of in counts.items()} == {"train": 6, "val": 2, "test": 4}


def test_an_option(here, capsys):
    (here / "noisy_model.py").write_text(block("Add an option"))
    model = {"imports": ["noisy_model.py"], "model_type": "NoisyModel"}
    assert train(here, **model, name="plain", train={"noise": 0.0}) == 0
    assert train(here, **model, name="noisy", train={"noise": 0.5}) == 0
    plain, noisy = (
        torch.load(here / f"experiments/{name}/models/net_g_latest.pth")["params"] for name in ("plain", "noisy")
    )
    assert any(not torch.equal(plain[key], noisy[key]) for key in plain)
    capsys.readouterr()
    assert train(here, **model, name="wrong", train={"noise": 2.0}) == 2
    assert "train:noise: must be at most 1, got 2.0" in capsys.readouterr().err
    assert train(here, **model, name="wrong", train={"noises": 0.1}) == 2
    assert "did you mean noise?" in capsys.readouterr().err


def test_a_repair(here):
    (here / "cropped_tuples.py").write_text(block("Repair something of BasicSR"))
    stock, pair = img_util.crop_border, tuple(make_image(index, 16, 16) for index in range(2))
    with pytest.raises(TypeError, match="tuple"):
        img_util.crop_border(pair, 2)
    module = load(here / "cropped_tuples.py")
    assert "Symptom:" in module.__doc__ and "Cause:" in module.__doc__
    try:
        assert module.repair() and not module.repair()
        for cropped, image in zip(img_util.crop_border(pair, 2), pair, strict=True):
            assert np.array_equal(cropped, image[2:-2, 2:-2])
        assert img_util.crop_border(pair[0], 2).shape == (12, 12, 3)
    finally:
        patching.substitute(img_util.crop_border, stock)
