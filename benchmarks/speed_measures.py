"""How the speed benchmark measures: pairs of times, memory of a process of its own, limits of the machine."""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from speed_device import synchronize

_PRODUCT_SIDE = {"cpu": 4096, "cuda": 8192}
_REPEATS = {"cpu": 3, "cuda": 20}
_MEMORY = """
import logging, warnings, torch
logging.disable(logging.WARNING); warnings.simplefilter("ignore")
torch.set_num_threads({threads})
from speed_networks import build, make_training_step
from speed_measures import resident
before = resident("VmRSS")
step = make_training_step(build({name!r}, {size!r}), {image}, precision={precision!r})
step(); step()
print("peak", resident("VmHWM") - before)
"""


def seconds_of(work: Callable[[], object], device: str = "cpu") -> float:
    """Run once; returns the seconds that pass until the device has finished, which had nothing left to do before."""
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start


def quartile_spread(values: Sequence[float]) -> float:
    """Half the distance of the quartiles."""
    low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / 2


def alternate(peer: Callable[[], None], ours: Callable[[], None], *, rounds: int, device: str = "cpu") -> dict:
    """Time two functions alternately, each right after a run of its own that is not timed.

    Returns:
        Median seconds of ``peer`` and ``ours``, the median ``ratio`` of the rounds, its ``spread``, and all samples.
    """
    samples: dict[str, list[float]] = {"peer": [], "ours": []}
    for _ in range(rounds):
        for name, work in (("peer", peer), ("ours", ours)):
            work()
            samples[name].append(seconds_of(work, device))
    ratios = [own / other for own, other in zip(samples["ours"], samples["peer"], strict=True)]
    return {
        **{name: statistics.median(values) for name, values in samples.items()},
        "ratio": statistics.median(ratios),
        "spread": quartile_spread(ratios),
        "samples": samples,
    }


def resident(entry: str) -> float:
    """Read ``VmRSS`` (now) or ``VmHWM`` (at most) of this process, in GB; Linux only."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(rf"{entry}:\s+(\d+) kB", status)[1]) / 1e6


def step_memory(name: str, size: str, image: int, precision: str, threads: int) -> float:
    """Peak memory of building a network and training it for two steps, in GB, in a process of its own."""
    code = _MEMORY.format(name=name, size=size, image=image, precision=precision, threads=threads)
    folder = str(Path(__file__).resolve().parent)
    paths = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout.rpartition("peak")[2])


def matrix_rate(dtype: torch.dtype, device: str = "cpu", side: int | None = None) -> float:
    """Rate of a square matrix product, in GFLOP/s: the best of three, on a GPU of twenty.

    Args:
        dtype: Of the matrices; float32 is computed as torch is set to, without TF32 if nothing was set.
        device: ``cpu`` or ``cuda``.
        side: Rows and columns; by default 4096, on a GPU 8192, which keeps all of it busy.
    """
    side = side or _PRODUCT_SIDE[device]
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    one @ other
    return 2 * side**3 / min(seconds_of(lambda: one @ other, device) for _ in range(_REPEATS[device])) / 1e9


def copy_rate(device: str = "cpu", values: int = 1 << 26) -> float:
    """Rate of a copy, read and written bytes together, in GB/s: the best of three, on a GPU of twenty."""
    source, target = torch.ones(values, device=device), torch.ones(values, device=device)
    fastest = min(seconds_of(lambda: target.copy_(source), device) for _ in range(_REPEATS[device]))
    return 2 * 4 * values / fastest / 1e9
