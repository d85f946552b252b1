"""A metric, a loss, a model and a guide in a file of a user's own, as the documentation shows them."""

import re
import sys

import numpy as np
import pytest
import torch
import yaml
from basicsr.utils import registry as stock_registry

from segsr_arch.archs.semantic_sr_arch import SemanticSR
from segsr_arch.cli import basicsr, segsr
from segsr_arch.errors import CheckpointError
from segsr_arch.results.reading import read_record
from tests.cli.runs import make_pairs, write_options
from tests.config.paired_options import good_test, good_train
from tests.support import ROOT, TINY_SEMANTICS

PAGE = (ROOT / "docs/howto/own-parts.md").read_text(encoding="utf-8")
MY_PARTS = re.search(r"```python\n(# my_parts\.py.*?)```", PAGE, re.DOTALL)[1]
BASE = {"type": "MSRResNet", "num_feat": 4, "num_block": 2, "upscale": 2}
BLIND = {"type": "BlindSR", "base": BASE, "units": 2, "semantics": TINY_SEMANTICS}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("ARCH_REGISTRY", "LOSS_REGISTRY", "METRIC_REGISTRY", "MODEL_REGISTRY"):
        registry = getattr(stock_registry, name)
        monkeypatch.setattr(registry, "_obj_map", dict(registry._obj_map))
    (tmp_path / "my_parts.py").write_text(MY_PARTS)
    make_pairs(tmp_path)
    yield tmp_path
    sys.modules.pop("my_parts", None)


def test_all_of_them_train_test_and_are_evaluated(here, capsys):
    opt = {**good_train(here), "imports": ["my_parts.py"], "model_type": "FlippedModel", "network_g": BLIND}
    opt["train"] |= {"total_iter": 2, "pixel_opt": {"type": "LogCoshLoss", "loss_weight": 2.0}}
    opt["val"] |= {"val_freq": 2, "metrics": {"mae": {"type": "calculate_mae", "better": "lower"}}}
    assert basicsr.main(["train", "-opt", str(write_options(here, opt))]) == 0, capsys.readouterr().err
    (log,) = (here / "experiments/tiny").glob("train_tiny_*.log")
    assert "# mae: " in log.read_text() and "l_pix" in log.read_text()

    weights = here / "experiments/tiny/models/net_g_latest.pth"
    test = {**good_test(here), "imports": ["my_parts.py"], "model_type": "FlippedModel", "network_g": BLIND}
    test |= {"path": {"pretrain_network_g": str(weights)}, "val": {"save_img": False, "suffix": None}}
    path = write_options(here, test, "test.yml")
    assert segsr.main(["evaluate", "-opt", str(path), "--metric", "mae", "--no-cost"]) == 0, capsys.readouterr().err
    (dataset,) = (entry["name"] for entry in test["datasets"].values())
    record = read_record(here / f"results/tiny/evaluation/{dataset}")
    assert record.columns[0].better == "lower" and not record.problems
    for row in record.images:
        difference = np.abs(row.sr.read().astype(float) - row.gt.read().astype(float))
        assert row.values["mae"] == pytest.approx(difference.mean())

    by_name = yaml.safe_load(path.read_text())
    by_name["network_g"] = {**BLIND, "type": "SemanticSR"}
    capsys.readouterr()
    assert segsr.main(["evaluate", "-opt", str(write_options(here, by_name, "other.yml"))]) == 2
    assert "semantics: class BlindGuide in the file, SemanticGuide here" in capsys.readouterr().err


def test_a_guide_of_ones_own_is_what_guides(here):
    import importlib

    sys.path.append(str(here))
    blind = importlib.import_module("my_parts").BlindSR(base=BASE, units=2, semantics=TINY_SEMANTICS)
    network = SemanticSR(base=BASE, units=2, semantics=TINY_SEMANTICS)
    with pytest.raises(CheckpointError, match="semantics: class BlindGuide in the file, SemanticGuide here"):
        network.load_state_dict(blind.state_dict())
    network.load_state_dict(blind.state_dict(), strict=False)
    lq = torch.rand(1, 3, 16, 16)
    assert torch.equal(blind.guide(lq), torch.zeros_like(network.guide(lq))) and network.guide(lq).abs().max() > 0
