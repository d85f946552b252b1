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


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    monkeypatch.setattr(speed, "matrix_rate", lambda dtype, device: 100.0)
    monkeypatch.setattr(speed, "copy_rate", lambda device: 10.0)


@pytest.mark.parametrize(("ratio", "spread", "code"), [(0.54, 0.0, 0), (0.60, 0.06, 0), (0.60, 0.04, 1)])
def test_a_target_is_missed_by_more_than_the_spread(monkeypatch, capsys, tmp_path, ratio, spread, code):
    monkeypatch.setitem(speed.ROWS["cpu"], "hat-inference", ("HAT", 0.55, made(ratio, spread)))
    assert speed.main(["--rows", "hat-inference", "--json", str(tmp_path / "speed.json")]) == code
    shown = capsys.readouterr().out
    assert "float32 matrix product, GFLOP/s: 100" in shown and ("MISSED" in shown) == bool(code)
    written = json.loads((tmp_path / "speed.json").read_text())
    row = written["rows"]["hat-inference"]
    assert (row["ratio"], row["target"], row["missed"]) == (ratio, 0.55, bool(code))
    machine = written["machine"]
    assert machine["limits"]["copy (read + write), GB/s"] == 10
    assert (machine["device"], machine["tf32"]) == ("cpu", None)
    assert machine["name"] in shown and machine["memory, GB"] > 0.1


def test_a_row_without_a_target_cannot_be_missed(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(speed.ROWS["cpu"], "hat-inference", ("HAT", None, made(50.0, 0.0)))
    assert speed.main(["--rows", "hat-inference", "--json", str(tmp_path / "speed.json")]) == 0
    row = json.loads((tmp_path / "speed.json").read_text())["rows"]["hat-inference"]
    assert (row["target"], row["missed"]) == (None, False)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.split()[-1] == "-" and "MISSED" not in line


def test_every_row_can_be_measured(capsys, tmp_path):
    path = tmp_path / "speed.json"
    before = torch.get_num_threads(), logging.root.manager.disable
    speed.main(["--size", "tiny", "--image", "16", "--scene", "32", "--threads", "1", "--json", str(path)])
    assert (torch.get_num_threads(), logging.root.manager.disable) == before
    rows = json.loads(path.read_text())["rows"]
    assert list(rows) == list(speed.ROWS["cpu"])
    shown = capsys.readouterr().out
    for row in rows.values():
        assert row["title"] in shown
        assert row["peer"] > 0 and row["ours"] > 0 and row["ratio"] > 0 and row["spread"] >= 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rounds", "4"], "a median needs at least 5"),
        (["--device", "cuda"], "--device cuda: torch sees no GPU here; use --device cpu"),
        (["--batch", "2"], "--batch: the rows of --device cpu have batches of their own"),
        (
            ["--rows", "memory", "gpu-hat-training-fp32-eager"],
            "--rows: gpu-hat-training-fp32-eager: no row of --device cpu. Rows of cpu: hat-inference, ",
        ),
        (["--rows", "hat"], "--rows: hat: no row of --device cpu"),
    ],
)
def test_what_cannot_be_measured_is_said_at_once(monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as stopped:
        speed.main(arguments)
    assert stopped.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "scene"], "--rows: scene: no row of --device cuda"),
        (["--batch", "0"], "--batch: must be at least 1, got 0"),
    ],
)
def test_a_gpu_has_rows_of_its_own(monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(SystemExit) as stopped:
        speed.main(["--device", "cuda", *arguments])
    assert stopped.value.code == 2 and message in capsys.readouterr().err
