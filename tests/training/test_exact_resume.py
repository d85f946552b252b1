import logging

import numpy as np
import pytest

from tests.training.runs import EDSR, SEGSR, cropping_options, cut_off_after, network, train


@pytest.mark.parametrize(
    ("model_type", "network_g", "workers", "prefetch"),
    [
        ("SRModel", EDSR, 0, None),
        ("SRModel", EDSR, 2, None),
        ("SeGSRModel", EDSR, 0, "cpu"),
        ("SeGSRModel", SEGSR, 0, None),
        pytest.param("SeGSRModel", SEGSR, 2, "cpu", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_killed_and_resumed_ends_with_the_weights_of_one_that_is_not(
    tmp_path, monkeypatch, model_type, network_g, workers, prefetch
):
    """In the middle of an epoch, with crops and flips, dropout, validation, warm-up, milestones and moving average."""
    opt = cropping_options(
        tmp_path, model_type=model_type, network_g=network_g, workers=workers, prefetch=prefetch, val_freq=4
    )
    assert train(tmp_path, monkeypatch, opt) == 0
    whole = network(tmp_path, "latest")
    cut_off_after(tmp_path, 5)
    assert train(tmp_path, monkeypatch, opt, "--auto_resume") == 0
    resumed = network(tmp_path, "latest")
    assert whole.keys() == resumed.keys()
    assert all(np.array_equal(value, resumed[name]) for name, value in whole.items())
    before = network(tmp_path, 5)
    assert any(not np.array_equal(value, before[name]) for name, value in whole.items())


def test_crops_are_those_of_any_number_of_workers(tmp_path, monkeypatch):
    weights = []
    for workers, prefetch, seed in ((0, None, 1), (2, None, 1), (0, "cpu", 1), (0, None, 2)):
        opt = cropping_options(tmp_path, workers=workers, prefetch=prefetch, iterations=8)
        opt |= {"name": f"run{len(weights)}", "manual_seed": seed}
        assert train(tmp_path, monkeypatch, opt) == 0
        weights.append(network(tmp_path, "latest", opt["name"]))
    first, *same, seeded = weights
    for other in same:
        assert all(np.array_equal(value, other[name]) for name, value in first.items())
    assert any(not np.array_equal(value, seeded[name]) for name, value in first.items())


def test_a_drawn_seed_is_kept(tmp_path, monkeypatch, caplog):
    opt = cropping_options(tmp_path)
    del opt["manual_seed"]
    assert train(tmp_path, monkeypatch, opt) == 0
    whole = network(tmp_path, "latest")
    cut_off_after(tmp_path, 5)
    with caplog.at_level(logging.INFO, logger="segsr_arch"):
        assert train(tmp_path, monkeypatch, opt, "--auto_resume") == 0
    assert "takes effect" not in caplog.text
    resumed = network(tmp_path, "latest")
    assert all(np.array_equal(value, resumed[name]) for name, value in whole.items())
