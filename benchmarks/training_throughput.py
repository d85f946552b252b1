"""Where each millisecond of a training iteration goes, and how fast images are loaded beside it.

    python benchmarks/training_throughput.py                          small SeG-SR on drawn images, float32
    python benchmarks/training_throughput.py --network full --iterations 3 --data datasets/UCMerced --json full.json
    python benchmarks/training_throughput.py --data datasets/UCMerced --step-seconds 9.5

Runs ``basicsr train`` itself, in this process and in a temporary folder, with an option file of this project: random
weights in place of the vision-language model's, and what the arguments change. The data are drawn and prepared by
``segsr prepare folder``, or were prepared by ``segsr prepare`` before (``--data``). On a GPU the clock waits for the
device at both ends of each part, so the parts are right and the whole is a little too long.

Then images are loaded alone, by BasicSR's data set and loader from LMDB, as a full-size SeG-SR is fed: batch 4, LR
patches of 64 x 64, flips, rotations; and once more by BlindPairedDataset in one process, which degrades each image, by
each chain that has a name, by the clock and by processor time (for machines that do other work as well). The exit code
is 1 if the first is not at least five times what the step consumes, or ``aniso`` below 60 images a second by the clock.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
import yaml
from metrics_speed import processor
from training_clock import PARTS, IterationClock, watched

import segsr_arch.cli.basicsr
import segsr_arch.cli.segsr
from segsr_arch.degradations.named_chains import NAMED_CHAINS
from segsr_arch.drawing.scenes import write_scenes
from segsr_arch.running.processes import available_cores

OPTIONS = Path(__file__).resolve().parents[1] / "options"
SCALE = 4
BATCH = 4
TARGET = 5.0
DEGRADED_TARGETS = {"aniso": 60.0}  # images a second of one process
PRECISIONS = {"float32": None, "bf16-amp": "bf16", "fp16-amp": "fp16"}
NETWORKS = {
    "tiny": ("demo_train_SeGSR_x4.yml", {"embed_dim": 12, "depths": [1], "num_heads": [2], "squeeze_factor": 6}),
    "small": ("train_small_SeGSR_UCM_x4.yml", {}),
    "full": ("train_SeGSR_UCM_x4.yml", {}),
}
_WARM_UP = 2  # iterations
_BLOCKS = 5  # of loaded batches; the median block counts


def prepare(folder, count, side, patch):
    """Draw images and prepare them as LMDBs; returns the folder of the data set."""
    write_scenes(folder / "scenes", count, side, seed=0)
    arguments = ["prepare", "folder", folder / "scenes", folder / "data", "--scale", SCALE, "--patch", patch]
    with contextlib.redirect_stdout(sys.stderr):
        code = segsr_arch.cli.segsr.main([str(each) for each in [*arguments, "--val", 1, "--test", 1, "--jobs", 1]])
    if code:
        raise SystemExit(code)
    return folder / "data"


def make_options(arguments, data):
    """Options of the training: those of the network's option file with what this run changes."""
    name, changes = NETWORKS[arguments.network]
    options = yaml.safe_load((OPTIONS / name).read_text(encoding="utf-8"))
    options["name"] = "throughput"
    options["num_gpu"] = int(arguments.device == "cuda")
    for phase, dataset in options["datasets"].items():
        for key, kind in (("dataroot_gt", "HR"), ("dataroot_lq", "LR")):
            dataset[key] = str(data / phase / f"{kind}_x{SCALE}.lmdb")
    train_set = options["datasets"]["train"]
    train_set["dataset_enlarge_ratio"] = 100
    if arguments.patch is not None:
        train_set["gt_size"] = SCALE * arguments.patch
    if arguments.batch is not None:
        train_set["batch_size_per_gpu"] = arguments.batch
    if arguments.workers is not None:
        train_set["num_worker_per_gpu"] = arguments.workers
    train_set["persistent_workers"] = train_set["num_worker_per_gpu"] > 0
    options["network_g"].update(changes)
    options["network_g"]["semantics"]["pretrained"] = None
    train = options["train"]
    train["amp"] = PRECISIONS[arguments.precision]
    train.setdefault("ema_decay", 0.999)
    # An iteration ends where the next one begins, so the last one is not timed.
    train["total_iter"] = _WARM_UP + arguments.iterations + 1
    options["val"]["val_freq"] = 10**9  # only at the end
    options["val"]["pbar"] = False
    options["logger"].update(print_freq=arguments.print_freq, save_checkpoint_freq=10**9, use_tb_logger=False)
    return options


def train(arguments, options, folder):
    """Run ``basicsr train``; returns the clock that was set into it."""
    file = folder / "train.yml"
    file.write_text(yaml.safe_dump(options, sort_keys=False), encoding="utf-8")
    clock = IterationClock(torch.cuda.synchronize if arguments.device == "cuda" else None)
    before, log = Path.cwd(), folder / "train.log"
    os.chdir(folder)
    try:
        with contextlib.ExitStack() as stack:
            stream = stack.enter_context(open(log, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stderr(stream))
            stack.enter_context(contextlib.redirect_stdout(stream))
            stack.enter_context(watched(clock, val_images=arguments.val_images))
            code = segsr_arch.cli.basicsr.main(["train", "-opt", str(file)])
    finally:
        os.chdir(before)
    if code:
        print(log.read_text(encoding="utf-8")[-3000:], file=sys.stderr)
        raise SystemExit(code)
    return clock


def forget(file):
    """Take a file out of the system's cache; returns whether this system lets a program do so."""
    if not hasattr(os, "posix_fadvise"):
        return False
    with open(file, "rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def remember(file):
    """Read a file into the system's cache, where a second epoch finds it."""
    with open(file, "rb") as stream:
        while stream.read(1 << 24):
            pass


def loading_rate(data, *, workers, patch, batches, degradation=None):
    """Images a second that BasicSR's loader gives, alone; the first batches are not timed.

    Args:
        data: Folder of the data set.
        workers: Processes; 0 loads in this one.
        patch: Side of the LR patch in pixels.
        batches: Batches that are timed.
        degradation: Chain by which LR images are made of HR images; ``None`` reads them.

    Returns:
        Rates of ``_BLOCKS`` blocks of batches, by the clock and by the time of this process's processor.
    """
    from basicsr.data import build_dataloader, build_dataset
    from basicsr.data.data_sampler import EnlargedSampler
    from basicsr.data.prefetch_dataloader import CPUPrefetcher

    kind = {"type": "PairedImageDataset", "dataroot_lq": str(data / f"train/LR_x{SCALE}.lmdb")}
    if degradation is not None:
        kind = {"type": "BlindPairedDataset", "degradation": degradation}
    options = {
        **kind,
        "name": "loading",
        "dataroot_gt": str(data / f"train/HR_x{SCALE}.lmdb"),
        "io_backend": {"type": "lmdb"},
        "phase": "train",
        "scale": SCALE,
        "gt_size": SCALE * patch,
        "use_hflip": True,
        "use_rot": True,
        "batch_size_per_gpu": BATCH,
        "num_worker_per_gpu": workers,
    }
    dataset = build_dataset(options)
    warm_up, block = 4 * max(workers, 1), max(1, batches // _BLOCKS)
    enlarge = -(-(warm_up + _BLOCKS * block) * BATCH // len(dataset)) + 1
    sampler = EnlargedSampler(dataset, 1, 0, enlarge)
    prefetcher = CPUPrefetcher(build_dataloader(dataset, options, num_gpu=0, sampler=sampler, seed=0))
    for _ in range(warm_up):
        prefetcher.next()
    by_clock, by_processor = [], []
    for _ in range(_BLOCKS):
        start, busy = time.perf_counter(), time.process_time()
        for _ in range(block):
            assert len(prefetcher.next()["lq"]) == BATCH
        by_clock.append(BATCH * block / (time.perf_counter() - start))
        by_processor.append(BATCH * block / (time.process_time() - busy))
    return by_clock, by_processor


def measure_loading(arguments, data, step_seconds):
    """Loading rates without and with workers, and their ratios to what a step of so many seconds consumes."""
    patch = arguments.load_patch
    databases = [data / f"train/{kind}_x{SCALE}.lmdb/data.mdb" for kind in ("HR", "LR")]
    consumed = BATCH / step_seconds
    found = {"step_seconds": step_seconds, "consumed": consumed, "patch": patch, "rows": []}
    for workers in (0, arguments.workers or available_cores()):
        for place, ready in (("disk", forget), ("cache", remember)):
            if [ready(file) for file in databases] == [False, False]:
                continue
            rates, _ = loading_rate(data, workers=workers, patch=patch, batches=arguments.load_batches)
            rate = statistics.median(rates)
            row = {"workers": workers, "from": place, "rates": rates, "rate": rate, "ratio": rate / consumed}
            found["rows"].append(row)
    found["degraded"] = []
    for name in arguments.degradation:
        rates, busy = loading_rate(data, workers=0, patch=patch, batches=arguments.load_batches, degradation=name)
        row = {"degradation": name, "rates": rates, "rate": statistics.median(rates)}
        found["degraded"].append(row | {"rate_by_processor": statistics.median(busy)})
    return found


def is_fed(loading):
    """Whether loading reaches its target in every way that was measured."""
    enough = all(row["ratio"] >= TARGET for row in loading["rows"])
    return enough and all(row["rate"] >= DEGRADED_TARGETS.get(row["degradation"], 0) for row in loading["degraded"])


def print_parts(summary):
    """Print the table of an iteration."""
    print(f"{'part of an iteration':26} {'median ms':>10} {'mean ms':>10} {'share':>7}")
    for name, figures in summary.items():
        label = PARTS.get(name, name)
        print(f"{label:26} {figures['median_ms']:10.2f} {figures['mean_ms']:10.2f} {100 * figures['share']:6.1f}%")


def print_loading(loading, given):
    """Print the rates of loading."""
    origin = "given" if given else "measured above"
    print(
        f"\na step of batch {BATCH} takes {loading['step_seconds']:.3f} s ({origin}), consuming "
        f"{loading['consumed']:.2f} images/s; loaded alone from LMDB, batch {BATCH}, LR patches of {loading['patch']}:"
    )
    for row in loading["rows"]:
        rates = f"{row['rate']:8.1f} images/s ({min(row['rates']):.1f} - {max(row['rates']):.1f})"
        ratio = f"{row['ratio']:8.1f} x what the step consumes (target: {TARGET:g})"
        print(f"  {row['workers']} workers, from {row['from']:5} {rates}   {ratio}")
    for row in loading["degraded"]:
        rates = f"{row['rate']:8.1f} images/s ({min(row['rates']):.1f} - {max(row['rates']):.1f})"
        target = DEGRADED_TARGETS.get(row["degradation"])
        busy = f"by processor time {row['rate_by_processor']:8.1f}" + (f"   (target: {target:g})" if target else "")
        print(f"  degraded by {row['degradation']:12} in one process {rates}, {busy}")


def parse(argv):
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="small")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch (default: %(default)s)")
    parser.add_argument("--iterations", type=int, default=20, help="timed, after two to warm up (default: 20)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="prepared by segsr prepare, x4; default: drawn")
    parser.add_argument("--images", type=int, default=24, help="how many are drawn (default: 24)")
    parser.add_argument("--side", type=int, default=256, help="side of drawn images in pixels (default: 256)")
    parser.add_argument("--patch", type=int, help="side of the LR patch in training (default: as the option file says)")
    parser.add_argument("--batch", type=int, help="of a step in training (default: as the option file says)")
    parser.add_argument("--workers", type=int, help="of the loader (default: training as the option file says)")
    parser.add_argument("--print-freq", type=int, default=10, help="iterations a line of the log (default: 10)")
    parser.add_argument("--val-images", type=int, default=4, help="images that are validated (default: 4)")
    parser.add_argument("--load-patch", type=int, default=64, help="side of the LR patch in loading (default: 64)")
    parser.add_argument("--load-batches", type=int, default=100, help="batches that are loaded (default: 100)")
    parser.add_argument("--degradation", choices=NAMED_CHAINS, nargs="+", default=[*NAMED_CHAINS], help="default: all")
    parser.add_argument("--step-seconds", type=float, help="time of a step of batch 4, for loading; default: measured")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args(argv)
    if arguments.iterations < 1 or arguments.load_batches < _BLOCKS:
        parser.error(f"--iterations: at least 1; --load-batches: at least {_BLOCKS}")
    return arguments


def main(argv=None):
    """Measure and print; returns the exit code."""
    arguments = parse(argv)
    torch.set_num_threads(arguments.threads)
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else processor()
    machine = f"{name}, {available_cores()} cores, {arguments.threads} threads, torch {torch.__version__}"
    machine += f", Python {platform.python_version()}"
    print(f"{arguments.network} SeG-SR, {arguments.precision}; {machine}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder).resolve()
        data = arguments.data and arguments.data.resolve()
        data = data or prepare(folder, arguments.images, arguments.side, arguments.load_patch)
        options = make_options(arguments, data)
        clock = train(arguments, options, folder)
        summary = clock.summary(_WARM_UP)
        print_parts(summary)
        batch = options["datasets"]["train"]["batch_size_per_gpu"]
        rate = 1e3 * batch / summary["iteration"]["median_ms"]
        print(f"{len(clock.iterations) - _WARM_UP} iterations of batch {batch}: {rate:.2f} images/s")
        for each, seconds in clock.apart.items():
            print(f"apart: {each} at the end of training {', '.join(f'{s:.2f}' for s in seconds)} s")
        step = (summary["iteration"]["median_ms"] - summary["data"]["median_ms"]) / 1e3 * BATCH / batch
        loading = measure_loading(arguments, data, arguments.step_seconds or step)
    print_loading(loading, arguments.step_seconds is not None)
    if arguments.json:
        settings = {key: str(value) if isinstance(value, Path) else value for key, value in vars(arguments).items()}
        settings |= {"machine": machine, "options": options}
        figures = {"settings": settings, "parts": summary, "apart": clock.apart, "loading": loading}
        figures |= {"images_per_second": rate, "iterations": clock.iterations}
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return int(not is_fed(loading))


if __name__ == "__main__":
    sys.exit(main())
