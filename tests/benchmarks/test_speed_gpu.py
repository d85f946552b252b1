"""Rows of a GPU in ``benchmarks/speed.py``, measured on the CPU with tiny networks; CUDA clock and memory are faked."""

import argparse
import contextlib
import functools
import json
import types

import pytest
import torch

pytest.importorskip("spandrel")

import speed
import speed_device
import speed_gpu
import speed_networks
from speed_measures import alternate, matrix_rate, seconds_of
from speed_networks import build

from segsr_arch.inference.form import to_inference_form

EAGER = [key for key in speed_gpu.GPU_ROWS if key.endswith("eager")]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def arguments(**changed):
    values = {"device": "cpu", "size": "tiny", "image": 16, "batch": 2, "rounds": 5}
    return argparse.Namespace(**{**values, **changed})


@pytest.fixture
def calls(monkeypatch):
    """Replace CUDA; gives what it was asked for, in order."""
    made = []
    memory = {"memory_allocated": 1_000, "max_memory_allocated": 5_000_001_000}
    for name, value in {"synchronize": None, "reset_peak_memory_stats": None, **memory}.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, name=name, value=value: made.append(name) or value)
    return made


def test_there_is_a_row_for_each_task_network_precision_and_form_and_one_has_a_target():
    assert len(speed_gpu.GPU_ROWS) == 32
    assert {key: target for key, (_, target, _) in speed_gpu.GPU_ROWS.items() if target is not None} == {
        "gpu-segsr-training-bf16-compiled": 0.25
    }
    title = speed_gpu.GPU_ROWS["gpu-hat-inference-fp32-eager"][0]
    assert title == "HAT, float32 inference, eager"


@pytest.mark.parametrize("key", EAGER)
def test_a_row_gives_rates_and_shares_that_follow_from_its_seconds(key):
    found = speed_gpu.GPU_ROWS[key][2](arguments())
    amount, unit = (2, "img/s") if "training" in key else (2 * 64 * 64 / 1e6, "MP/s")
    assert (found["batch"], found["unit"], found["precision"]) == (2, unit, key.split("-")[3])
    assert found["memory, GB"] == {"peer": None, "ours": None}
    rates = {"fp32": matrix_rate(torch.float32, side=256), "bf16": matrix_rate(torch.bfloat16, side=256)}
    shares = speed_gpu.shares(found, rates)
    for side, precision in (("peer", "fp32"), ("ours", found["precision"])):
        assert found["rates"][side] == pytest.approx(amount / found[side])
        assert shares[side] == pytest.approx(found["flops"][side] / found[side] / (rates[precision] * 1e9))
        assert shares[side] > 0
        if precision == "fp32":  # a processor without bfloat16 converts it in products of matrices, not in convolutions
            assert shares[side] < 1


def test_a_share_is_operations_over_time_over_the_rate_of_the_precision():
    found = {"peer": 2.0, "ours": 0.5, "precision": "bf16", "flops": {"peer": 40e9, "ours": 80e9}}
    assert speed_gpu.shares(found, {"fp32": 100.0, "bf16": 400.0}) == pytest.approx({"peer": 0.2, "ours": 0.4})


def test_operations_are_those_of_the_matrix_products():
    network = torch.nn.Conv2d(3, 8, 3, padding=1)
    forward = 2 * 16 * 16 * 8 * 3 * 9
    assert speed_gpu.count_flops(network, 16, task="inference", batch=5) == 5 * forward
    assert speed_gpu.count_flops(network, 16, task="training", batch=5) == 3 * 5 * forward
    assert network.training


@pytest.mark.parametrize("name", ["hat", "segsr"])
def test_both_precisions_count_the_same_operations(name):
    counts = {
        speed_gpu.count_flops(
            to_inference_form(build(name, "tiny"), precision=precision), 16, task="inference", batch=1
        )
        for precision in ("fp32", "bf16")
    }
    assert len(counts) == 1 and counts.pop() > 0


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("hat", "inference"),
        ("hat", "training"),
        ("segsr", "inference"),
        pytest.param("segsr", "training", marks=pytest.mark.slow),
    ],
)
def test_ours_is_compiled_and_the_peer_is_not(monkeypatch, name, task):
    compiled = []

    def compile_quickly(network, **options):
        compiled.append((type(network).__name__, options))
        return real(network, backend="aot_eager", **options)

    real = torch.compile
    monkeypatch.setattr(torch, "compile", compile_quickly)
    found = speed_gpu.GPU_ROWS[f"gpu-{name}-{task}-bf16-compiled"][2](arguments(batch=1))
    options = {"fullgraph": True} if task == "inference" else {}
    assert compiled == [({"hat": "HATNetwork", "segsr": "SeGSR"}[name], options)]
    assert found["ratio"] > 0


def test_ours_is_recorded_and_the_peer_is_not(monkeypatch):
    recorded = []

    def record(work):
        recorded.append(work)
        return work

    monkeypatch.setattr(speed_networks, "record", record)
    found = speed_gpu.GPU_ROWS["gpu-hat-inference-bf16-recorded"][2](arguments())
    assert len(recorded) == 1 and found["ratio"] > 0


@pytest.mark.parametrize("task", ["inference", "training"])
def test_ours_is_compiled_before_it_is_recorded(monkeypatch, task):
    done = []
    real, real_adam = torch.compile, torch.optim.Adam
    monkeypatch.setattr(torch, "compile", lambda net, **_: done.append("compiled") or real(net, backend="eager"))
    monkeypatch.setattr(speed_networks, "record", lambda work: done.append("recorded") or work)
    monkeypatch.setattr(torch.optim, "Adam", lambda p, **options: done.append(options["capturable"]) or real_adam(p))
    found = speed_gpu.GPU_ROWS[f"gpu-hat-{task}-bf16-compiled-recorded"][2](arguments(batch=1))
    wanted = {"inference": ["compiled", "recorded"], "training": [False, True, "compiled", "recorded"]}
    assert done == wanted[task]
    assert found["ratio"] > 0 and found["memory, GB"]["ours"] is None


def test_what_is_recorded_runs_a_few_times_before_and_only_its_kernels_afterwards(monkeypatch):
    done = []

    class Graph:
        def replay(self):
            done.append("replay")

    @contextlib.contextmanager
    def record(graph):
        done.append("begin")
        yield
        done.append("end")

    stream = types.SimpleNamespace(wait_stream=lambda other: None)
    fakes = {"Stream": lambda: stream, "current_stream": lambda: stream, "CUDAGraph": Graph, "graph": record}
    for name, fake in {**fakes, "stream": lambda _: contextlib.nullcontext()}.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    run = speed_networks.record(lambda: done.append("work"))
    assert done == ["work", "work", "work", "begin", "work", "end"]
    done.clear()
    run()
    run()
    assert done == ["replay", "replay"]


def test_compilation_and_first_runs_are_not_timed(monkeypatch):
    runs = []
    make = speed_gpu.make_inference

    def counted(network, *rest, **options):
        work = make(network, *rest, **options)
        return lambda: (runs.append(type(network).__name__), work())

    def no_clock(peer, ours, **options):
        runs.append("clock")
        return {"peer": 1.0, "ours": 1.0, **options}

    monkeypatch.setattr(speed_gpu, "make_inference", counted)
    monkeypatch.setattr(speed_gpu, "alternate", no_clock)
    found = speed_gpu.GPU_ROWS["gpu-hat-inference-fp32-eager"][2](arguments(batch=None))
    assert runs == ["HAT"] * 4 + ["HATNetwork"] * 4 + ["clock"]
    assert (found["batch"], found["device"], found["rounds"]) == (16, "cpu", 5)


def test_a_clock_is_read_when_the_gpu_has_finished(calls):
    seconds_of(lambda: calls.append("work"), "cuda")
    assert calls == ["synchronize", "work", "synchronize"]
    calls.clear()
    work = functools.partial(calls.append, "work")
    alternate(work, work, rounds=5, device="cuda")
    assert calls == ["work", "synchronize", "work", "synchronize"] * 10


def test_nothing_is_asked_of_a_gpu_on_the_cpu(calls):
    seconds_of(lambda: calls.append("work"))
    assert speed_device.allocated("cpu") is None
    assert speed_device.peak_memory(lambda: calls.append("work"), "cpu", before=None) is None
    assert calls == ["work", "work"]


def test_peak_memory_is_that_of_one_run_above_what_was_there_before(calls):
    before = speed_device.allocated("cuda")
    peak = speed_device.peak_memory(lambda: calls.append("work"), "cuda", before=before)
    assert peak == pytest.approx(5.0)
    assert calls == [
        *("memory_allocated", "synchronize", "reset_peak_memory_stats", "work", "synchronize", "max_memory_allocated")
    ]


def test_a_gpu_is_described_with_its_memory_and_tf32(monkeypatch):
    properties = types.SimpleNamespace(name="a GPU", total_memory=24_000_000_000)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    described = speed_device.describe_device("cuda")
    assert (described["device"], described["name"], described["memory, GB"]) == ("cuda", "a GPU", 24.0)
    assert described["tf32"] == {"matrix products": False, "convolutions": True}


@pytest.mark.parametrize(("target", "code"), [(None, 0), (1e-6, 1), (1e6, 0)])
def test_the_command_prints_and_writes_rates_shares_and_memory(monkeypatch, capsys, tmp_path, target, code):
    key, path = "gpu-hat-training-bf16-eager", tmp_path / "speed.json"
    title, _, measure = speed_gpu.GPU_ROWS[key]

    def with_memory(args):
        return {**measure(args), "memory, GB": {"peer": 8.0, "ours": 3.25}}

    monkeypatch.setattr(speed, "matrix_rate", lambda dtype, device: {torch.float32: 50.0, torch.bfloat16: 800.0}[dtype])
    monkeypatch.setattr(speed, "copy_rate", lambda device: 10.0)
    described = {**speed_device.describe_device("cpu"), "tf32": {"matrix products": False, "convolutions": True}}
    monkeypatch.setattr(speed, "describe_device", lambda device: described)
    monkeypatch.setitem(speed.ROWS, "cpu", {key: (title, target, with_memory)})
    assert speed.main(["--size", "tiny", "--image", "16", "--threads", "1", "--json", str(path)]) == code
    shown = capsys.readouterr().out
    written = json.loads(path.read_text())
    row = written["rows"][key]
    assert row["batch"] == 4 and row["missed"] == bool(code)
    assert row["share"]["ours"] == pytest.approx(row["flops"]["ours"] / row["ours"] / 800e9)
    assert written["machine"]["tf32"]["convolutions"] is True
    assert "TF32: matrix products no, convolutions yes" in shown and ("MISSED" in shown) == bool(code)
    line = next(line for line in shown.splitlines() if line.startswith(title))
    for figure in (f"{row['rates']['ours']:.2f} img/s", f"{row['share']['peer']:.2%}", "8.00", "3.25"):
        assert figure in line
