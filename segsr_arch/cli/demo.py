"""``segsr demo``: the main job from drawn scenes to measured pictures, with the commands that real data takes."""

import argparse
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from segsr_arch.data.synthetic_scenes import write_scenes
from segsr_arch.errors import ConfigError, SegsrError

_OPTIONS = Path(__file__).resolve().parents[2] / "options"
_SCENES = 100
_SIZE = 192
_SHOWN = 3
_SHOWN_LINES = ("[epoch:", "# psnr", "# ssim", "RANDOM", "rror", "arning:")  # of what the commands say
_EXPECTED_GAIN = 0.5  # dB of PSNR over bicubic


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "demo",
        help="draw scenes, prepare, train, test and compare, in about two minutes",
        description="Runs the main job on scenes that it draws itself: prepare, train a small SeG-SR (random weights "
        "in the vision-language model), test it, and compare with bicubic interpolation.",
    )
    parser.add_argument("--dir", type=Path, default=Path("demo"), help="working folder (default: demo)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the scenes (default: 0)")
    parser.set_defaults(run=run)


def _step(folder: Path, title: str, module: str, *arguments: str) -> float:
    """Run one command in the folder, showing it as a user would type it; returns its seconds."""
    name = module.rsplit(".", 1)[-1]
    print(f"\n== {title}\n$ cd {folder} && {name} {shlex.join(arguments)}", flush=True)
    start = time.monotonic()
    log = folder / f"{title.split()[0].lower()}.log"
    with open(log, "ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        for line in process.stdout:
            stream.write(line.encode())
            if any(mark in line for mark in _SHOWN_LINES):
                print("  " + re.sub(r"^[\d: ,-]+(INFO|WARNING): |\[demo_[^]]*\]", "", line.strip()), flush=True)
    if process.wait():
        raise SegsrError(f"{title} failed with exit code {process.returncode}; everything it said is in {log}.")
    return time.monotonic() - start


def _measure(sr_folder: Path, gt_folder: Path, scale: int) -> tuple[float, float, int]:
    """Mean PSNR and SSIM of the images of a folder by the protocol y-crop, and their number."""
    from basicsr.metrics import calculate_psnr, calculate_ssim

    values = []
    for gt_path in sorted(gt_folder.glob("*.png")):
        sr_paths = list(sr_folder.glob(f"{gt_path.stem}_*.png"))
        if len(sr_paths) != 1:
            raise SegsrError(f"{sr_folder}: holds {len(sr_paths)} results for {gt_path.name}, expected one.")
        pair = cv2.imread(str(sr_paths[0])), cv2.imread(str(gt_path))
        values.append([metric(*pair, scale, test_y_channel=True) for metric in (calculate_psnr, calculate_ssim)])
    psnr, ssim = np.mean(values, axis=0)
    return float(psnr), float(ssim), len(values)


def _draw_comparison(folder: Path, path: Path) -> Path:
    """Draw LR, bicubic, SeG-SR and HR of the images that gained most, side by side, enlarged without smoothing."""
    from basicsr.metrics import calculate_psnr

    results = folder / "results"
    rows = []
    for gt_path in (folder / "data/test/HR_x4").glob("*.png"):
        columns = {
            "LR": folder / "data/test/LR_x4" / gt_path.name,
            "bicubic": next((results / "demo_bicubic_x4/visualization/DemoTest").glob(f"{gt_path.stem}_*.png")),
            "SeG-SR": next((results / "demo_SeGSR_x4/visualization/DemoTest").glob(f"{gt_path.stem}_*.png")),
            "HR": gt_path,
        }
        images = {label: cv2.imread(str(file)) for label, file in columns.items()}
        psnr = {
            label: calculate_psnr(images[label], images["HR"], 4, test_y_channel=True)
            for label in ("bicubic", "SeG-SR")
        }
        rows.append((psnr["SeG-SR"] - psnr["bicubic"], gt_path.stem, images, psnr))
    drawn = []
    for _, name, images, psnr in sorted(rows, key=lambda row: (-row[0], row[1]))[:_SHOWN]:
        cells = []
        for label, image in images.items():
            cell = cv2.resize(image, (2 * _SIZE, 2 * _SIZE), interpolation=cv2.INTER_NEAREST)
            caption = f"{label} {psnr[label]:.2f} dB" if label in psnr else f"{label} {name}"
            cell = cv2.copyMakeBorder(cell, 30, 6, 3, 3, cv2.BORDER_CONSTANT, value=(255, 255, 255))
            cv2.putText(cell, caption, (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
            cells.append(cell)
        drawn.append(np.hstack(cells))
    cv2.imwrite(str(path), np.vstack(drawn))
    return path


def run(args: argparse.Namespace) -> int:
    """Run every step and print the table.

    Returns:
        0; 1 if SeG-SR is not at least 0.5 dB better than bicubic, which it is where everything works.

    Raises:
        ConfigError: If the option files are not beside the package.
        SegsrError: If a step fails.
    """
    if not (_OPTIONS / "demo_train_SeGSR_x4.yml").is_file():
        raise ConfigError(f"The demo needs the option files of the source tree; {_OPTIONS} does not hold them.")
    start = time.monotonic()
    folder = args.dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("prepare", "train", "test"):
        (folder / f"{name}.log").unlink(missing_ok=True)
    print(f"== Draw {_SCENES} scenes of {_SIZE} x {_SIZE} pixels (seed {args.seed}) into {folder / 'scenes'}")
    write_scenes(folder / "scenes", _SCENES, _SIZE, args.seed)
    prepare = ("prepare", "folder", "scenes", "data", "--scale", "4", "--patch", "32")
    _step(folder, "Prepare HR and LR", "segsr_arch.cli.segsr", *prepare)
    options = {
        name: str(_OPTIONS / f"demo_{name}.yml") for name in ("train_SeGSR_x4", "test_SeGSR_x4", "test_bicubic_x4")
    }
    seconds = _step(folder, "Train SeG-SR", "segsr_arch.cli.basicsr", "train", "-opt", options["train_SeGSR_x4"])
    _step(folder, "Test SeG-SR", "segsr_arch.cli.basicsr", "test", "-opt", options["test_SeGSR_x4"])
    _step(folder, "Test bicubic", "segsr_arch.cli.basicsr", "test", "-opt", options["test_bicubic_x4"])
    gt_folder = folder / "data/test/HR_x4"
    rows = {
        label: _measure(folder / f"results/demo_{run_name}_x4/visualization/DemoTest", gt_folder, 4)
        for label, run_name in (("bicubic", "bicubic"), ("SeG-SR", "SeGSR"))
    }
    picture = _draw_comparison(folder, folder / "comparison.png")
    print(
        f"\nx4, {rows['SeG-SR'][2]} drawn test scenes, protocol y-crop "
        "(Y of YCbCr, 4 pixels of border cut, mean over images)"
    )
    print(f"{'method':<10}{'PSNR (dB)':>12}{'SSIM':>10}")
    for label, (psnr, ssim, _) in rows.items():
        print(f"{label:<10}{psnr:>12.2f}{ssim:>10.4f}")
    gain = rows["SeG-SR"][0] - rows["bicubic"][0]
    print(f"SeG-SR is {gain:+.2f} dB from bicubic after {seconds:.0f} s of training.")
    print("The vision-language model has random weights here: this shows that the machinery works, not what it can do.")
    print(f"\nPictures: {picture} (LR, bicubic, SeG-SR, HR)")
    print(f"          {folder / 'results/demo_SeGSR_x4/visualization'} (every test image)")
    print(f"Network:  {folder / 'experiments/demo_SeGSR_x4/models/net_g_best.pth'}")
    print(f"Done in {time.monotonic() - start:.0f} s.")
    if gain < _EXPECTED_GAIN:
        print(f"This is less than the {_EXPECTED_GAIN} dB that are expected: something is wrong.", file=sys.stderr)
        return 1
    return 0
