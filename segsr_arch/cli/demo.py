"""``segsr demo``: the main job from drawn scenes to measured pictures, with the commands that real data takes."""

import argparse
import sys
import time
from pathlib import Path

from segsr_arch.drawing.rasters import raster_psnr, write_drawn_raster
from segsr_arch.drawing.scenes import write_scenes
from segsr_arch.errors import ConfigError
from segsr_arch.files.locking import locked
from segsr_arch.results.reading import read_record
from segsr_arch.running.steps import run_step

_OPTIONS = Path(__file__).resolve().parents[2] / "options"
_SCENES = 100
_SIZE = 192
_EXPECTED_GAIN = 0.5  # dB of PSNR over bicubic


def _upscale_raster(folder: Path, options: str, seed: int) -> Path:
    """Upscale a drawn georeferenced raster, and compare it with what was drawn; returns the path of the output."""
    lr, hr = write_drawn_raster(folder / "rasters", kind="residential", size=160, scale=4, seed=seed + 77)
    done = {"bicubic": lr.with_name("bicubic_x4.tif"), "SeG-SR": lr.with_name("SeGSR_x4.tif")}
    picture = str(done["SeG-SR"].with_suffix(".png").relative_to(folder))
    networks = {"bicubic": ("--model", "bicubic:4"), "SeG-SR": ("-opt", options, "--preview", picture)}
    for method, path in done.items():
        names = (str(each.relative_to(folder)) for each in (lr, path))
        arguments = (*names, "--bands", "1", "2", "3", *networks[method], "--overwrite")
        title = f"Upscale a georeferenced raster of four bands, {method}"
        run_step(folder, title, "segsr_arch.cli.segsr", "upscale", *arguments)
    psnr = ", ".join(f"{method} {raster_psnr(path, hr, bands=(1, 2, 3)):.2f} dB" for method, path in done.items())
    print(f"The raster against what was drawn (PSNR of RGB over valid pixels): {psnr}.")
    return done["SeG-SR"]


def run(args: argparse.Namespace) -> int:
    """Run every step and print the table.

    Returns:
        0; 1 if SeG-SR is not at least 0.5 dB better than bicubic, which it is where everything works.

    Raises:
        ConfigError: If the option files are not beside the package.
        InUseError: If another process works in the folder.
        SegsrError: If a step fails.
    """
    if not (_OPTIONS / "demo_train_SeGSR_x4.yml").is_file():
        raise ConfigError(f"The demo needs the option files of the source tree; {_OPTIONS} does not hold them.")
    folder = args.dir.resolve()
    with locked(folder, lock=folder / ".lock"):
        return _show(folder, args.seed)


def _show(folder: Path, seed: int) -> int:
    """Run every step in a folder; see :func:`run`."""
    start = time.monotonic()
    for name in ("prepare", "train", "test", "evaluate", "upscale"):
        (folder / f"{name}.log").unlink(missing_ok=True)
    print(f"== Draw {_SCENES} scenes of {_SIZE} x {_SIZE} pixels (seed {seed}) into {folder / 'scenes'}")
    write_scenes(folder / "scenes", _SCENES, _SIZE, seed)
    prepare = ("prepare", "folder", "scenes", "data", "--scale", "4", "--patch", "32")
    run_step(folder, "Prepare HR and LR", "segsr_arch.cli.segsr", *prepare)
    options = {
        name: str(_OPTIONS / f"demo_{name}.yml") for name in ("train_SeGSR_x4", "test_SeGSR_x4", "test_bicubic_x4")
    }
    seconds = run_step(folder, "Train SeG-SR", "segsr_arch.cli.basicsr", "train", "-opt", options["train_SeGSR_x4"])
    run_step(folder, "Test SeG-SR", "segsr_arch.cli.basicsr", "test", "-opt", options["test_SeGSR_x4"])
    methods = options["test_bicubic_x4"], options["test_SeGSR_x4"]
    evaluate = ("evaluate", "-opt", *methods, "--report", "--out", "evaluation")
    run_step(folder, "Evaluate both, draw figures and a report", "segsr_arch.cli.segsr", *evaluate)
    results = folder / "evaluation"
    records = {
        label: read_record(results / f"demo_{name}_x4/evaluation/DemoTest")
        for label, name in (("bicubic", "bicubic"), ("SeG-SR", "SeGSR"))
    }
    psnr, ssim = (
        {label: record.summary[f"{metric}_y-crop"].mean for label, record in records.items()}
        for metric in ("psnr", "ssim")
    )
    print(
        f"\nx4, {len(records['SeG-SR'].images)} drawn test scenes, protocol y-crop "
        "(Y of YCbCr, 4 pixels of border cut, mean over images)"
    )
    print(f"{'method':<10}{'PSNR (dB)':>12}{'SSIM':>10}")
    for label in records:
        print(f"{label:<10}{psnr[label]:>12.2f}{ssim[label]:>10.4f}")
    gain = psnr["SeG-SR"] - psnr["bicubic"]
    print(f"SeG-SR is {gain:+.2f} dB from bicubic after {seconds:.0f} s of training.")
    print("The vision-language model has random weights here: this shows that the machinery works, not what it can do.")
    scene = _upscale_raster(folder, options["test_SeGSR_x4"], seed)
    print(f"\nReport:   {results / 'report.html'} (opens in a browser: slider, maps, tables)")
    print(f"Pictures: {results / 'figures'} (comparison, guidance maps, cost; PNG and PDF)")
    print(f"          {results / 'demo_SeGSR_x4/evaluation/DemoTest/sr'} (every test image)")
    print(f"Scene:    {scene} (georeferenced; opens in any GIS), {scene.with_suffix('.png')} (before and after)")
    print(f"Network:  {folder / 'experiments/demo_SeGSR_x4/models/net_g_best.pth'}")
    print(f"Done in {time.monotonic() - start:.0f} s.")
    if gain < _EXPECTED_GAIN:
        print(f"This is less than the {_EXPECTED_GAIN} dB that are expected: something is wrong.", file=sys.stderr)
        return 1
    return 0
