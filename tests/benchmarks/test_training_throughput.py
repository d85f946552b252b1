"""``benchmarks/training_throughput.py``: where the time of a training iteration goes, and the rate of loading."""

import json
import re
import time
from pathlib import Path

import pytest
import training_throughput
from training_clock import APART, OTHER, PARTS, IterationClock

from segsr_arch.degradations.named_chains import NAMED_CHAINS

TINY = [
    "--network",
    "tiny",
    "--images",
    "18",
    "--side",
    "64",
    "--patch",
    "8",
    "--load-patch",
    "16",
    "--print-freq",
    "2",
]
TINY += ["--threads", "1", "--load-batches", "10", "--val-images", "2"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Exit code, figures and printed text of a run of five iterations."""
    with pytest.MonkeyPatch.context() as patch:
        return run(patch, tmp_path_factory.mktemp("run") / "figures.json", "--step-seconds", "10", "--workers", "1")


def run(patch, file, *arguments):
    lines = []
    patch.setattr("builtins.print", lambda *words, **_: lines.append(" ".join(map(str, words))))
    code = training_throughput.main([*TINY, "--iterations", "5", "--json", str(file), *arguments])
    return code, json.loads(file.read_text()), "\n".join(lines)


def test_parts_sum_to_the_iteration(measured):
    code, figures, _ = measured
    assert code == int(not training_throughput.is_fed(figures["loading"])), "a busy machine may miss the targets"
    parts = figures["parts"]
    assert list(parts) == [*PARTS, OTHER, "iteration"]
    named = sum(parts[name]["mean_ms"] for name in PARTS)
    # On a busy machine a good part is spent between the parts.
    assert 0.5 * parts["iteration"]["mean_ms"] < named < parts["iteration"]["mean_ms"]
    assert named + parts[OTHER]["mean_ms"] == pytest.approx(parts["iteration"]["mean_ms"])
    assert sum(parts[name]["share"] for name in (*PARTS, OTHER)) == pytest.approx(1)
    for name in ("data", "forward", "loss", "backward", "clipping", "optimizer", "average", "logging"):
        assert parts[name]["mean_ms"] > 0, name
    assert len(figures["iterations"]) == 7, "the last of eight has no end"
    assert {name: len(seconds) for name, seconds in figures["apart"].items()} == {"validation": 1, "saving": 1}


def test_json_holds_what_is_printed(measured):
    _, figures, text = measured
    for name, part in figures["parts"].items():
        row = re.search(rf"^{re.escape(PARTS.get(name, name))} +([\d.]+) +([\d.]+) +([\d.]+)%$", text, re.M)
        expected = part["median_ms"], part["mean_ms"], 100 * part["share"]
        assert [float(value) for value in row.groups()] == pytest.approx(expected, abs=0.0501)
    assert figures["settings"]["machine"] in text and "torch" in figures["settings"]["machine"]
    rows = re.findall(r"(\d) workers, from (\w+) +([\d.]+) images/s .*?([\d.]+) x what", text)
    loading = figures["loading"]
    assert rows == [
        (str(row["workers"]), row["from"], f"{row['rate']:.1f}", f"{row['ratio']:.1f}") for row in loading["rows"]
    ]
    assert {row["workers"] for row in loading["rows"]} == {0, 1}
    assert loading["consumed"] == pytest.approx(0.4) and "takes 10.000 s (given)" in text
    for row in loading["rows"]:
        assert row["ratio"] == pytest.approx(row["rate"] / 0.4)
    printed = re.findall(r"degraded by ([\w-]+) +in one process +([\d.]+) images/s .*processor time +([\d.]+)", text)
    made = loading["degraded"]
    assert [row["degradation"] for row in made] == list(NAMED_CHAINS)
    assert printed == [(row["degradation"], f"{row['rate']:.1f}", f"{row['rate_by_processor']:.1f}") for row in made]
    assert all(len(row["rates"]) == 5 for row in made) and text.count("(target: 60)") == 1


def test_loading_must_be_five_times_what_the_step_consumes(monkeypatch):
    monkeypatch.setattr(training_throughput, "loading_rate", lambda *_, **__: ([50.0, 100.0, 150.0], [200.0]))
    arguments = training_throughput.parse(["--step-seconds", "1", "--degradation", "aniso", "iso"])
    monkeypatch.setattr(training_throughput, "forget", lambda _: False)
    monkeypatch.setattr(training_throughput, "remember", lambda _: True)
    loading = training_throughput.measure_loading(arguments, Path("data"), 1.0)
    assert [(row["from"], row["rate"], row["ratio"]) for row in loading["rows"]] == [("cache", 100.0, 25.0)] * 2
    rates = {"rates": [50.0, 100.0, 150.0], "rate": 100.0, "rate_by_processor": 200.0}
    assert loading["degraded"] == [{"degradation": name, **rates} for name in ("aniso", "iso")]
    loading["degraded"][1]["rate"] = 1.0
    assert training_throughput.is_fed(loading), "there is a target for aniso alone"
    loading["degraded"][0]["rate"] = 59.0
    assert not training_throughput.is_fed(loading)
    too_fast = training_throughput.measure_loading(arguments, Path("data"), 0.1)
    assert not training_throughput.is_fed(too_fast)


def test_clock_counts_parts_within_parts_once():
    clock = IterationClock()
    clock.cut()
    inner = clock.timed("forward", lambda: time.sleep(0.02))
    clock.timed("validation", inner)()
    inner()
    clock.timed("optimizer", lambda: None)()
    clock.cut()
    (row,) = clock.iterations
    assert 0.02 <= row["forward"] < 0.035 and len(clock.apart["validation"]) == 1
    assert row["iteration"] < 0.04, "validation is apart"
    assert set(row) == {*PARTS, OTHER, "iteration"} and not set(APART) & set(row)
    with pytest.raises(ValueError, match="1 iterations were timed"):
        clock.summary(1)
