"""``benchmarks/speed.py``: ratios, spreads and targets; the networks are tiny, so the ratios themselves say nothing."""

import json
import logging
import time

import pytest
import torch

pytest.importorskip("spandrel")

import speed
from speed_measures import alternate, quartile_spread


def test_pairs_are_timed_right_after_a_run_of_their_own():
    order = []

    def work(name, seconds):
        def run():
            order.append(name)
            time.sleep(seconds)

        return run

    found = alternate(work("peer", 0.02), work("ours", 0.01), rounds=5)
    assert order == ["peer", "peer", "ours", "ours"] * 5
    assert 0.3 < found["ratio"] < 0.9 and found["spread"] < 0.3
    assert [len(found["samples"][name]) for name in ("peer", "ours")] == [5, 5]
    assert 0.02 <= found["peer"] < 0.1


def test_the_spread_is_half_the_distance_of_the_quartiles():
    assert quartile_spread([1, 2, 3, 4, 5, 6, 7]) == 2


def made(ratio, spread):
    return lambda args: {"peer": 1.0, "ours": ratio, "ratio": ratio, "spread": spread}


@pytest.mark.parametrize(("ratio", "spread", "code"), [(0.54, 0.0, 0), (0.60, 0.06, 0), (0.60, 0.04, 1)])
def test_a_target_is_missed_by_more_than_the_spread(monkeypatch, capsys, tmp_path, ratio, spread, code):
    monkeypatch.setattr(speed, "matrix_rate", lambda dtype: 100.0)
    monkeypatch.setattr(speed, "copy_rate", lambda: 10.0)
    monkeypatch.setitem(speed.ROWS, "hat-inference", ("HAT", 0.55, made(ratio, spread)))
    assert speed.main(["--rows", "hat-inference", "--json", str(tmp_path / "speed.json")]) == code
    shown = capsys.readouterr().out
    assert "float32 matrix product, GFLOP/s: 100" in shown and ("MISSED" in shown) == bool(code)
    written = json.loads((tmp_path / "speed.json").read_text())
    row = written["rows"]["hat-inference"]
    assert (row["ratio"], row["target"], row["missed"]) == (ratio, 0.55, bool(code))
    assert written["machine"]["limits"]["copy (read + write), GB/s"] == 10


def test_every_row_can_be_measured(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "matrix_rate", lambda dtype: 100.0)
    monkeypatch.setattr(speed, "copy_rate", lambda: 10.0)
    path = tmp_path / "speed.json"
    before = torch.get_num_threads(), logging.root.manager.disable
    speed.main(["--size", "tiny", "--image", "16", "--scene", "32", "--threads", "1", "--json", str(path)])
    assert (torch.get_num_threads(), logging.root.manager.disable) == before
    rows = json.loads(path.read_text())["rows"]
    assert list(rows) == list(speed.ROWS)
    shown = capsys.readouterr().out
    for row in rows.values():
        assert row["title"] in shown
        assert row["peer"] > 0 and row["ours"] > 0 and row["ratio"] > 0 and row["spread"] >= 0


def test_fewer_rounds_have_no_median(capsys):
    with pytest.raises(SystemExit):
        speed.main(["--rounds", "4"])
    assert "a median needs at least 5" in capsys.readouterr().err
