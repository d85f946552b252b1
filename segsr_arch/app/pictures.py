"""Pictures of an image before and after, of maps and of spread, for a screen: small ones of rasters of any size."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from segsr_arch.app.jobs import Made
from segsr_arch.errors import DataError, SaveError
from segsr_arch.evaluation.report.painted_maps import ColourScale
from segsr_arch.evaluation.sample_spread import RunningSpread
from segsr_arch.files.atomic import atomic_write
from segsr_arch.scenes.preview import liveliest_part, read_input, read_output
from segsr_arch.scenes.source.rasters import open_raster
from segsr_arch.scenes.source.reader import SceneReader
from segsr_arch.windows import Window

LONGEST = 1536
"""Longest side of a picture, in pixels."""
DETAIL = 768
"""Side of a picture of a part."""
_MAP_SIDE = 512
_STRETCH = (1, 99)  # percentiles of the input that are black and white, of all but 8-bit images
_ROWS = 256
_NEAREST = cv2.INTER_NEAREST_EXACT
SIDES = {"as it is stored": _NEAREST, "bicubic": cv2.INTER_CUBIC}
"""How the input is enlarged for the left side."""


@dataclass(frozen=True, kw_only=True)
class View:
    """What is shown of an image.

    Attributes:
        zoom: Side of a pixel of the output on the screen, in pixels of the picture; ``None`` shows the whole image, or
            as much detail of it as a picture has room for.
        centre: Where the middle of a part is, as shares of height and width; ``None`` takes the liveliest part.
    """

    zoom: int | None = None
    centre: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two pictures of the same size.

    Attributes:
        before: PNG of the input.
        after: PNG of the output.
        words: What is shown, and what black and white stand for.
        shape: Rows and columns of each.
    """

    before: Path
    after: Path
    words: str
    shape: tuple[int, int]


def compare(made: Made, view: View, *, side: str = "as it is stored", sample: int = 0) -> Comparison:
    """Draw an image before and after.

    Args:
        made: What was made of it.
        view: Which part.
        side: How the input is enlarged, one of :data:`SIDES`.
        sample: Which output, from 0.

    Raises:
        DataError: If a file cannot be read any more.
        SaveError: If a picture cannot be written.
    """
    scene, scale = made.scene, made.network.scale
    part = _part(made, view)
    place = part.scaled(scale)
    shrink = min(1.0, LONGEST / max(place.height, place.width))
    shape = max(1, round(place.height * shrink)), max(1, round(place.width * shrink))
    small = min(shape[0], part.height), min(shape[1], part.width)
    lr, valid = read_input(scene, part, shape=small)
    sr = read_output(scene, made.outputs[sample], place, shape=shape)
    low, high, words = _tones(made, lr[:, valid])
    pictures = [_resized(lr, shape, SIDES[side]), sr]
    hole = _resized(valid[None].astype(np.float32), shape, cv2.INTER_NEAREST_EXACT)[0] < 0.5
    times = 1 if view.zoom is None else view.zoom
    shown = [
        _resized(np.where(hole, 0, (each - low) / (high - low)), (shape[0] * times, shape[1] * times), _NEAREST)
        for each in pictures
    ]
    before, after = (
        _save(_eight_bits(each), made.outputs[0].with_name(f"{name}-{secrets.token_hex(4)}.png"))
        for name, each in zip(("before", "after"), shown, strict=True)
    )
    what = "the whole image" if part == _all_of(made) else f"{part.width} x {part.height} pixels of the input"
    if shrink < 1:
        what += f", reduced to {shrink:.0%} of the output's size"
    return Comparison(before=before, after=after, words=f"Shown: {what}. {words}", shape=shown[0].shape[1:])


def _all_of(made: Made) -> Window:
    return Window(height=made.scene.height, width=made.scene.width)


def _part(made: Made, view: View) -> Window:
    """The LR pixels that a view shows."""
    if view.zoom is None:
        return _all_of(made)
    scene = made.scene
    side = max(8, DETAIL // (made.network.scale * view.zoom))
    height, width = min(side, scene.height), min(side, scene.width)
    if view.centre is None:
        with SceneReader(scene) as reader:
            lively = liveliest_part(scene, reader)
        row, column = lively.top + lively.height / 2, lively.left + lively.width / 2
    else:
        row, column = view.centre[0] * scene.height, view.centre[1] * scene.width
    top = int(np.clip(row - height / 2, 0, scene.height - height))
    left = int(np.clip(column - width / 2, 0, scene.width - width))
    return Window(top=top, left=left, height=height, width=width)


def _tones(made: Made, values: NDArray[np.floating]) -> tuple[float, float, str]:
    """What is black and what is white, of the range that the network is given, and how that is said."""
    origins = {made.scene.radiometry.origins[band] for band in made.scene.network_bands}
    if made.scene.dtype == "uint8" and origins == {"type"}:
        return 0.0, 1.0, "Black and white are 0 and 255."
    low, high = (float(each) for each in np.percentile(values, _STRETCH)) if values.size else (0.0, 1.0)
    high = max(high, low + 1e-6)
    return low, high, f"Black is {low:.3g} and white {high:.3g} of the range that the network is given, on both sides."


def spread_picture(made: Made) -> tuple[Path, str] | None:
    """Draw how far several samples, or the turns of an ensemble, lie apart.

    Returns:
        PNG and what it shows; ``None`` if there is one output alone.
    """
    if made.spread is None and len(made.outputs) < 2:
        return None
    rows = list(_spread_of_samples(made) if made.spread is None else _spread_of_turns(made))
    picture = np.concatenate([small for small, _ in rows])
    mean = float(sum(total for _, total in rows)) / (made.reports[0].height * made.reports[0].width)
    top = max(float(np.nanmax(picture, initial=0.0)), 1e-9)
    painted = ColourScale(low=0.0, high=top).paint(np.nan_to_num(picture))
    what = f"{len(made.outputs)} samples" if made.spread is None else "the eight flips and rotations"
    words = (
        f"Spread of {what}: {mean:.4f} of the range on average, from 0 (dark) to {top:.4f} (bright). Where they differ "
        "the network does not know; whether that tells where it is wrong, segsr evaluate --samples measures."
    )
    return _save(painted, made.outputs[0].with_name(f"spread-{secrets.token_hex(4)}.png")), words


def _strips(made: Made) -> Iterator[tuple[Window, tuple[int, int]]]:
    """Strips of the output, and the size of each in a picture."""
    height, width = made.reports[0].height, made.reports[0].width
    factor = -(-max(height, width) // LONGEST)
    for top in range(0, height, _ROWS * factor):
        window = Window(top=top, height=min(_ROWS * factor, height - top), width=width)
        yield window, (max(1, window.height // factor), max(1, width // factor))


def _spread_of_samples(made: Made) -> Iterator[tuple[NDArray[np.floating], float]]:
    for window, shape in _strips(made):
        running = RunningSpread()
        for output in made.outputs:
            running.add(read_output(made.scene, output, window))
        spread, _ = running.against(None)
        yield cv2.resize(spread.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA), float(spread.sum())


def _spread_of_turns(made: Made) -> Iterator[tuple[NDArray[np.floating], float]]:
    assert made.spread is not None
    with open_raster(str(made.spread)) as dataset:
        for window, shape in _strips(made):
            spread = dataset.read(1, window=RasterWindow(window.left, window.top, window.width, window.height))
            yield cv2.resize(spread, shape[::-1], interpolation=cv2.INTER_AREA), float(np.nansum(spread))


def map_pictures(made: Made, words: Sequence[str]) -> list[tuple[Path, str]]:
    """Draw the maps that guide the units of a network, all on one scale of colours.

    Args:
        made: With maps.
        words: What to say below the map of each unit beside its name; may be empty.

    Returns:
        PNG and caption of each; none without maps.
    """
    if made.maps is None:
        return []
    with open_raster(str(made.maps)) as dataset:
        shrink = min(1.0, _MAP_SIDE / max(dataset.shape))
        shape = tuple(max(1, round(side * shrink)) for side in dataset.shape)
        maps, names = dataset.read(out_shape=(dataset.count, *shape)), dataset.descriptions
    if not np.isfinite(maps).any():
        return []
    colours = ColourScale(low=float(np.nanmin(maps)), high=float(np.nanmax(maps)))
    drawn = []
    for number, (cosines, name) in enumerate(zip(maps, names, strict=True)):
        painted = colours.paint(np.nan_to_num(cosines, nan=colours.low))
        path = _save(painted, made.maps.with_name(f"map{number + 1}-{secrets.token_hex(4)}.png"))
        drawn.append((path, ": ".join([name, *words[number : number + 1]])))
    return drawn


def _resized(image: NDArray[np.floating], shape: tuple[int, int], how: int) -> NDArray[np.floating]:
    """Bring bands (C, h, w) to another size."""
    resized = [cv2.resize(band.astype(np.float32), shape[::-1], interpolation=how) for band in image]
    return np.stack(resized)


def _eight_bits(unit: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(1 or 3, h, w), RGB, as (h, w, 3) uint8 BGR."""
    levels = np.rint(np.nan_to_num(unit).clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(np.broadcast_to(levels[..., ::-1], (*levels.shape[:2], 3)))


def _save(image: NDArray[np.uint8], path: Path) -> Path:
    """Write an (h, w, 3) uint8 BGR image as a PNG."""
    done, data = cv2.imencode(".png", image)
    if not done:
        raise DataError(f"A picture of {image.shape[1]} x {image.shape[0]} pixels cannot be encoded as PNG.")
    try:
        with atomic_write(path) as file:
            file.write(data.tobytes())
    except FileNotFoundError as error:
        raise SaveError(f"{path.name}: the folder that it belongs to is gone; give the image again.") from error
    return path
