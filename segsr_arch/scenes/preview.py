"""A picture of what became of a scene: input, bicubic interpolation and output of its liveliest part, side by side."""

import contextlib
import io
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from rasterio.enums import Resampling
from rasterio.windows import Window as RasterWindow

from segsr_arch.archs.bicubic_arch import Bicubic
from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.figures.style import DPI, WIDTH, figure_style, new_figure
from segsr_arch.files.atomic import atomic_write
from segsr_arch.files.text_files import make_folder
from segsr_arch.scenes.report import SceneReport
from segsr_arch.scenes.source.rasters import open_raster, reading
from segsr_arch.scenes.source.reader import SceneReader
from segsr_arch.scenes.source.scene import Scene
from segsr_arch.scenes.source.validity import fill_invalid
from segsr_arch.windows import Window

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE = 64
"""LR pixels of a side of the part that is shown."""
_SHOWS = "Preview-Of"
"""Key of the text in a preview that names its output."""
_LOOKS = 12
"""Parts that are looked at along each axis."""
_STRETCH = (1, 99)
"""Percentiles of the input that become black and white, in all three pictures."""


def draw_preview(scene: Scene, report: SceneReport, path: str | os.PathLike[str]) -> Path:
    """Draw the liveliest part of a scene before and after.

    Args:
        scene: The scene.
        report: What was done with it; the output is read.
        path: PNG file; its folder is made.

    Raises:
        ConfigError: If the name does not end with ``.png``.
        SaveError: If it cannot be written.
    """
    path = check_preview(path)
    with SceneReader(scene) as reader:
        part = liveliest_part(scene, reader)
        lr = _unit(scene, reader, part)
    scale = report.height // scene.height
    sr = read_output(scene, report.dst, part.scaled(scale))
    bicubic = Bicubic(upscale=scale)(torch.from_numpy(lr)[None])[0].numpy()
    low, high = np.percentile(lr, _STRETCH)
    picture = io.BytesIO()
    with figure_style():
        names = (f"Input, {part.width} x {part.height} pixels", f"Bicubic, x{scale}", f"{report.model}, x{scale}")
        figure = _draw([lr, bicubic, sr], names, (float(low), float(high)))
        figure.savefig(picture, format="png", dpi=DPI, metadata={_SHOWS: Path(report.dst).name})
    make_folder(path.parent)
    with atomic_write(path) as file:
        file.write(picture.getbuffer())
    return path


def read_output(
    scene: Scene, path: str | os.PathLike[str], window: Window, *, shape: tuple[int, int] | None = None
) -> np.ndarray:
    """Read what a scene has become as a network would be given it.

    Args:
        scene: The scene.
        path: The output.
        window: In pixels of the output.
        shape: Rows and columns that are wanted, each the mean of what it stands for; ``None`` for those of the window.

    Returns:
        (1 or 3, h, w) float32: the scene's bands for the network, about [0, 1] where they are valid.
    """
    return _averaged(scene, os.fspath(path), window, [band + 1 for band in scene.network_bands], shape)


def read_input(scene: Scene, window: Window, *, shape: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read a part of a scene as a network would be given it.

    Args:
        scene: The scene.
        window: In its pixels.
        shape: As for :func:`read_output`.

    Returns:
        (1 or 3, h, w) float32, and which pixels (h, w) are valid.
    """
    bands = list(scene.network_bands)
    height, width = shape or (window.height, window.width)
    with SceneReader(scene) as reader:
        pixels = reader.read(window, longest_side=max(height, width))
    valid = np.asarray(pixels.valid[bands].all(axis=0))
    if (height, width) == (window.height, window.width):
        return scene.radiometry.to_unit(pixels.values[bands], bands), valid
    place = Window(
        top=scene.region.top + window.top,
        left=scene.region.left + window.left,
        height=window.height,
        width=window.width,
    )
    unit = _averaged(scene, scene.path, place, [scene.indexes[band] for band in bands], (height, width))
    rows, columns = (np.arange(out) * size // out for out, size in zip((height, width), valid.shape, strict=True))
    return unit, valid[rows[:, None], columns]


def _averaged(scene: Scene, path: str, window: Window, indexes: list[int], shape: tuple[int, int] | None) -> np.ndarray:
    height, width = shape or (window.height, window.width)
    with open_raster(path) as dataset, reading(path, window):
        stored = dataset.read(
            indexes,
            window=RasterWindow(window.left, window.top, window.width, window.height),
            out_shape=(len(indexes), height, width),
            resampling=Resampling.average,
        )
    return np.asarray(scene.radiometry.to_unit(stored, list(scene.network_bands)))


def check_preview(path: str | os.PathLike[str], *, of: str | os.PathLike[str] | None = None) -> Path:
    """Make sure that a preview can have a name; returns it.

    Args:
        path: The preview.
        of: The output that it is to show: what is there must be a preview of that. ``None`` lets it be anything.

    Raises:
        ConfigError: If it does not end with ``.png``, or is something else.
    """
    if Path(path).suffix.lower() != ".png":
        raise ConfigError(f"--preview {path}: is a picture in PNG; let its name end with .png.")
    if of is not None and os.path.lexists(path) and _shown_by(path) != Path(of).name:
        raise ConfigError(
            f"--preview {path}: exists and is no preview of {Path(of).name}; choose another name, or replace it with "
            f"--overwrite."
        )
    return Path(path)


def _shown_by(path: str | os.PathLike[str]) -> str | None:
    """The name of the output that a preview shows; ``None`` if the file is none."""
    with contextlib.suppress(OSError, ValueError, SyntaxError), Image.open(path) as picture:
        return picture.info.get(_SHOWS)
    return None


def liveliest_part(scene: Scene, reader: SceneReader) -> Window:
    """The part with the largest gradients of those that lie on an even grid over the scene.

    Args:
        scene: The scene.
        reader: A reader of it.

    Returns:
        At most 64 x 64 LR pixels; of parts with invalid pixels only if there is no other.
    """
    height, width = min(_SIDE, scene.height), min(_SIDE, scene.width)
    tops, lefts = (
        sorted({int(place) for place in np.linspace(0, length - side, _LOOKS)})
        for length, side in ((scene.height, height), (scene.width, width))
    )
    windows = [Window(top=top, left=left, height=height, width=width) for top, left in itertools.product(tops, lefts)]
    return max(windows, key=lambda window: _liveliness(scene, reader, window))


def _liveliness(scene: Scene, reader: SceneReader, window: Window) -> tuple[float, float]:
    bands = list(scene.network_bands)
    pixels = reader.read(window)
    unit = fill_invalid(scene.radiometry.to_unit(pixels.values[bands], bands), pixels.valid[bands])
    gradients = sum(float(np.abs(np.diff(unit, axis=axis)).sum()) for axis in (1, 2))
    return float(pixels.valid[bands].mean()), gradients


def _unit(scene: Scene, reader: SceneReader, window: Window) -> np.ndarray:
    bands = list(scene.network_bands)
    pixels = reader.read(window)
    return fill_invalid(scene.radiometry.to_unit(pixels.values[bands], bands), pixels.valid[bands])


def _draw(images: list[np.ndarray], names: tuple[str, ...], limits: tuple[float, float]) -> "Figure":
    """Pictures (1 or 3, h, w) side by side, all with the same black and white."""
    low, high = limits
    height, width = images[-1].shape[1:]
    figure = new_figure(WIDTH / len(images) * height / width + 0.45, layout="constrained")
    for axes, image, name in zip(figure.subplots(1, len(images)), images, names, strict=True):
        shown = np.clip((image - low) / max(high - low, 1e-9), 0, 1).transpose(1, 2, 0)
        axes.imshow(shown[..., 0] if shown.shape[2] == 1 else shown, cmap="gray", vmin=0, vmax=1, interpolation="none")
        axes.set_title(name)
        axes.set_axis_off()
    figure.supxlabel(f"Black is {low:.3g} and white {high:.3g} of the range that the network is given.", fontsize=6)
    return figure
