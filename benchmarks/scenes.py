"""Rate and memory of `segsr upscale` apart from any network, against reading and writing, and against opensr-utils.

    python benchmarks/scenes.py                                     both rows, on rasters made on the spot
    python benchmarks/scenes.py --rows rate --raster urban.tif      on a raster of your own (uint8, 3 bands)
    python benchmarks/scenes.py --rows memory --sizes 2000x2000 20000x20000    peak memory of scenes of these sizes

The network is nearest-neighbour enlargement by 4, which costs next to nothing: what is measured is all around it.
`rate` alternates ours (GeoTIFF, no COG) with reading the scene and writing the same output by blocks with rasterio,
both by deflate and uncompressed, and with opensr-utils (`model=None`, its own interpolation) where that is installed,
which writes uncompressed; each in a process of its own. `memory` runs each side in a process of its own, on a sparse
file, and says what it had before the first tile.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

SCALE = 4
_COPY = """
import sys, time, numpy as np, rasterio
from rasterio.windows import Window
src, dst, scale, compress = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
start = time.perf_counter()
with rasterio.open(src) as scene:
    side = 512 // scale
    profile = dict(driver="GTiff", width=scene.width * scale, height=scene.height * scale, count=scene.count)
    profile |= dict(dtype=scene.dtypes[0], tiled=True, blockxsize=512, blockysize=512, interleave="pixel")
    profile |= dict(compress="deflate", predictor=2) if compress == "deflate" else dict()
    profile |= dict(BIGTIFF="YES")
    with rasterio.open(dst, "w", **profile) as out:
        for top in range(0, scene.height, side):
            for left in range(0, scene.width, side):
                h, w = min(side, scene.height - top), min(side, scene.width - left)
                part = scene.read(window=Window(left, top, w, h)).repeat(scale, 1).repeat(scale, 2)
                out.write(part, window=Window(left * scale, top * scale, w * scale, h * scale))
print("seconds", time.perf_counter() - start)
"""
_OURS = """
import os, sys, time
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does, before torch is imported
from segsr_arch.scenes import upscale
from segsr_arch.scenes.report import peak_memory
scale = int(sys.argv[3])
def nearest(tiles):
    return tiles.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
import segsr_arch.scenes.upscaling
before = peak_memory()
start = time.perf_counter()
report = upscale(sys.argv[1], sys.argv[2], nearest, cog=False, overwrite=True, batch=8, compress=sys.argv[4])
print("seconds", time.perf_counter() - start)
print("before", before, "peak", peak_memory())
"""
_PEER = """
import sys, time
from opensr_utils import large_file_processing
start = time.perf_counter()
options = dict(window_size=(128, 128), factor=int(sys.argv[3]), overlap=8, device="cpu", gpus=None, save_preview=False)
large_file_processing(root=sys.argv[1], model=None, **options).run()
print("seconds", time.perf_counter() - start)
"""


def run(code, *arguments, timeout=3600):
    """Run code in a process of its own; returns the figures that it printed by name, or what went wrong."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}"}
    words = done.stdout.split()
    return {
        name: float(value)
        for name, value in zip(words, words[1:], strict=False)
        if name in ("seconds", "before", "peak")
    }


def make_scene(path, width, height, *, empty):
    """Make a uint8 scene of three bands: textured, or a sparse file of zeros."""
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 3, "dtype": "uint8", "tiled": True}
    profile |= {"crs": "EPSG:32633", "transform": rasterio.transform.from_origin(0, 0, 1, 1), "compress": "deflate"}
    with rasterio.open(path, "w", SPARSE_OK=empty, BIGTIFF="YES", photometric="RGB", **profile) as scene:
        rng = np.random.default_rng(0)
        for top in range(0, 0 if empty else height, 256):
            rows = min(256, height - top)
            coarse = rng.integers(0, 256, (3, rows // 8 + 1, width // 8 + 1))
            values = coarse.repeat(8, 1).repeat(8, 2)[:, :rows, :width] // 2 + rng.integers(0, 32, (3, rows, width))
            scene.write(values.astype(np.uint8), window=Window(0, top, width, rows))
    return path


def measure_rate(raster, folder, runs):
    """Seconds of ours, of copying by blocks and of the peer, alternating, by method and compression of the output."""
    codes = {"ours": _OURS, "read and write": _COPY, "opensr-utils": _PEER}
    order = [(method, compress) for compress in ("deflate", "none") for method in ("ours", "read and write")]
    order.append(("opensr-utils", "none"))
    seconds = {pair: [] for pair in order}
    for turn in range(runs):
        alone = folder / f"peer{turn}" / Path(raster).name  # it writes beside the scene, once
        alone.parent.mkdir()
        shutil.copy(raster, alone)
        for method, compress in order:
            source, target = (alone if method == "opensr-utils" else raster), folder / "written.tif"
            seconds[method, compress].append(run(codes[method], source, target, SCALE, compress))
    return seconds


def print_rate(figures, raster):
    """Print medians, and ratios of ours to others whose output is compressed as ours is."""
    with rasterio.open(raster) as scene:
        megapixels = scene.width * scene.height / 1e6
    medians = {}
    for (method, compress), results in figures.items():
        good = [result["seconds"] for result in results if "seconds" in result]
        if not good:
            print(f"{method:15} {compress:8} {results[-1]['error']}")
            continue
        medians[method, compress] = median = statistics.median(good)
        rate = f"{megapixels / median:6.2f} LR megapixels/s"
        spread = f"{min(good):.2f} to {max(good):.2f}, median of {len(good)}"
        print(f"{method:15} {compress:8} {median:8.2f} s  {rate}  ({spread})")
    for (method, compress), median in medians.items():
        if method != "ours" and ("ours", compress) in medians:
            ratio = median / medians["ours", compress]
            print(f"ours is {ratio:.2f} times as fast as {method} (compression: {compress})")


def measure_memory(size, folder):
    """Peak memory of a scene of zeros of this size, printed and returned."""
    width, height = (int(side) for side in size.split("x"))
    raster = make_scene(folder / f"sparse{size}.tif", width, height, empty=True)
    result = run(_OURS, raster, folder / "up.tif", SCALE, "deflate", timeout=7200)
    if "error" in result:
        print(f"{size}: {result['error']}")
        return result
    peak, added = result["peak"] / 1e6, (result["peak"] - result["before"]) / 1e6
    print(f"{size:14} peak {peak:.0f} MB, {added:.0f} MB above the package; {result['seconds']:.0f} s", flush=True)
    return result


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=("rate", "memory"), default=("rate", "memory"))
    parser.add_argument("--raster", type=Path, help="scene of the rate (default: 2048 x 2048, made on the spot)")
    sizes = ("2000x2000", "20000x20000")
    parser.add_argument("--sizes", nargs="+", default=sizes, metavar="WxH", help="scenes of the memory, LR pixels")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all figures there")
    args = parser.parse_args()
    figures = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "rate" in args.rows:
            raster = args.raster or make_scene(folder / "scene.tif", 2048, 2048, empty=False)
            rates = measure_rate(raster, folder, args.runs)
            print_rate(rates, raster)
            figures["rate"] = {", ".join(pair): results for pair, results in rates.items()}
        if "memory" in args.rows:
            figures["memory"] = {size: measure_memory(size, folder) for size in args.sizes}
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
