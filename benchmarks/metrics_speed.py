"""Time PSNR and SSIM (protocol y-crop) against BasicSR's functions, alternating in one process.

    python benchmarks/metrics_speed.py                       32 pairs of 256 x 256, one thread and all cores
    python benchmarks/metrics_speed.py --side 600 --runs 9 --json metrics.json

Both get the same pairs, first one after the other, then shared among as many threads as there are cores. OpenCV's own
threads are off; neither function uses another library's. Processor times are printed too, because they suffer less from
other programs. A time depends on the machine and on what else runs there;
the ratio of medians is what counts.
"""

import argparse
import json
import os
import platform
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from segsr_arch.metrics.measures.fidelity import measure_fidelity


def make_pairs(count, side):
    """Make smooth random images with noise on the first of each pair, (side, side, 3) uint8."""
    random = np.random.default_rng(0)
    pairs = []
    for _ in range(count):
        coarse = random.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
        gt = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        pairs.append(((gt + random.normal(0, 8, gt.shape)).clip(0, 255).astype(np.uint8), gt))
    return pairs


def peer(pair, scale):
    """PSNR and SSIM of a pair by BasicSR, which can only be imported after this package has repaired it."""
    from basicsr.metrics import calculate_psnr, calculate_ssim

    options = {"crop_border": scale, "test_y_channel": True}
    return calculate_psnr(*pair, **options), calculate_ssim(*pair, **options)


def ours(pair, scale):
    """PSNR and SSIM of a pair by this package."""
    figures = measure_fidelity(*pair, scale=scale, protocols=["y-crop"])["y-crop"]
    return figures.psnr, figures.ssim


def measure(function, pairs, scale, threads):
    """Measure all pairs; returns wall and processor seconds, and the values."""
    start, processor_start = time.perf_counter(), time.process_time()
    if threads == 1:
        values = [function(pair, scale) for pair in pairs]
    else:
        with ThreadPoolExecutor(threads) as pool:
            values = list(pool.map(lambda pair: function(pair, scale), pairs))
    return (time.perf_counter() - start, time.process_time() - processor_start), np.array(values)


def compare(pairs, scale, threads, runs):
    """Alternate both; returns medians in seconds, their ratios, and the largest difference of a value."""
    times = {"basicsr": [], "ours": []}
    for run in range(runs + 1):
        values = {}
        for name, function in (("basicsr", peer), ("ours", ours)):
            seconds, values[name] = measure(function, pairs, scale, threads)
            if run:  # the first round warms up
                times[name].append(seconds)
    result = {"difference": float(np.abs(values["basicsr"] - values["ours"]).max()), "samples": times}
    for place, kind in enumerate(("wall", "processor")):
        medians = {name: statistics.median(sample[place] for sample in samples) for name, samples in times.items()}
        result[kind] = {**medians, "ratio": medians["basicsr"] / medians["ours"]}
    return result


def processor():
    """Name of the processor, as far as the system tells."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main():
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=256, help="side of the images in pixels (default: 256)")
    parser.add_argument("--pairs", type=int, default=32, help="image pairs (default: 32)")
    parser.add_argument("--scale", type=int, default=4, help="the border that is left out (default: 4)")
    parser.add_argument("--runs", type=int, default=7, help="timed runs of each, after one to warm up (default: 7)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of the second comparison")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    if arguments.runs < 5:
        parser.error("--runs: a median needs at least 5")
    cv2.setNumThreads(1)
    machine = f"{processor()}, {os.cpu_count()} cores, numpy {np.__version__}, OpenCV {cv2.__version__}"
    print(f"{arguments.pairs} pairs of {arguments.side} x {arguments.side}, median of {arguments.runs} runs; {machine}")
    pairs = make_pairs(arguments.pairs, arguments.side)
    results = {}
    for threads in sorted({1, arguments.threads}):
        found = results[threads] = compare(pairs, arguments.scale, threads, arguments.runs)
        print(f"{threads} thread{'s' if threads > 1 else ''}, largest difference of a value {found['difference']:.1e}")
        for kind in ("wall", "processor"):
            peers, own = (1000 * found[kind][name] / arguments.pairs for name in ("basicsr", "ours"))
            print(
                f"  {kind:9}   BasicSR {peers:7.2f} ms a pair   ours {own:6.2f} ms   "
                f"{found[kind]['ratio']:5.2f} times as fast",
                flush=True,
            )
    total = results[1]["wall"]["basicsr"] / results[max(results)]["wall"]["ours"]
    print(f"BasicSR one after the other against ours on {max(results)} threads: {total:.2f} times as fast")
    if arguments.json:
        settings = {key: value for key, value in vars(arguments).items() if key != "json"} | {"machine": machine}
        arguments.json.write_text(json.dumps({"settings": settings, "results": results}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
