"""The images of a region: rasters and small images, found, described, and read tile by tile."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.files.atomic import atomic_write
from segsr_arch.finetuning.places import (
    LEAST_TRAIN,
    LEAST_VAL,
    Block,
    Box,
    Division,
    Tile,
    blocks_of,
    divide,
    names_like_parts,
)
from segsr_arch.running.progress import progress
from segsr_arch.scenes.many.source_names import is_raster
from segsr_arch.scenes.source.description import describe_scene
from segsr_arch.scenes.source.reader import SceneReader
from segsr_arch.scenes.source.regions import transformed_bounds
from segsr_arch.scenes.source.scene import Scene
from segsr_arch.sources.folder_walk import walk
from segsr_arch.sources.image_names import image_name, name_digest, portable_name
from segsr_arch.windows import Window

RULE = (
    "whole blocks of rasters, and whole small images, by a seeded rule over their names; around a block one tile's "
    "side is left out, and in other rasters what lies there"
)
"""How training and validation are told apart."""
_FLAT = 2.0  # grey levels of standard deviation in the liveliest band
_BLANK = 0.05  # share of pixels that are wholly black or white: borders that the file does not call no-data
_SHALLOW = "uint8"
_SHOWN = 20
_WORLD = CRS.from_epsg(4326)


@dataclass(frozen=True, kw_only=True)
class RegionOptions:
    """How a region is cut and divided.

    Attributes:
        tile: Side of a tile in HR pixels.
        least: Least side of a tile at an edge, or of a small image.
        val: Share of the tiles for validation.
        seed: Of the rule.
        most_train: Tiles for training at most.
        most_val: Tiles for validation, about.
    """

    tile: int
    least: int
    val: float
    seed: int
    most_train: int
    most_val: int


@dataclass(frozen=True, kw_only=True)
class Region:
    """Rasters and images by name.

    Attributes:
        path: Where they were found.
        scenes: What each is.
        left_out: A line for each that does not fit.
    """

    path: Path
    scenes: dict[str, Scene]
    left_out: tuple[str, ...] = ()

    @property
    def depths(self) -> set[bool]:
        """Whether its files are of 8 bits, which no range is for: one answer, or both."""
        return {scene.dtype == _SHALLOW for scene in self.scenes.values()}


@dataclass(frozen=True, kw_only=True)
class CutRegion:
    """What was cut of a region.

    Attributes:
        division: The tiles.
        left_out: How many were left out, by the reason.
    """

    division: Division
    left_out: dict[str, int]

    def words(self, region: Region, options: RegionOptions) -> list[str]:
        """Say it to people."""
        small = sum(_is_small(scene, options.tile) for scene in region.scenes.values())
        large = len(region.scenes) - small
        found = [
            f"{count} {what}{'s' * (count > 1)}" for count, what in ((large, "raster"), (small, "small image")) if count
        ]
        lines = [
            f"{' and '.join(found)}: {len(self.division.train)} tiles for training, {len(self.division.val)} for "
            f"validation, of {options.tile} x {options.tile} pixels at most",
            f"split by place: {RULE}",
        ]
        if self.left_out:
            lines.append(f"left out: {', '.join(f'{count} {reason}' for reason, count in self.left_out.items())}")
        return lines


def find_region(
    path: Path, *, bands: Sequence[int] | None, value_range: Sequence[float] | None, skip_unfit: bool
) -> Region:
    """Find rasters and images, and see that each can be what the network takes, RGB of 8 bits.

    Args:
        path: A folder, with all folders in it, or one file.
        bands: Bands that are red, green and blue, or one that is grey; ``None`` for those that the files call so.
        value_range: Values that become 0 and 255 in files of other than 8 bits.
        skip_unfit: Whether files that do not fit are left out.

    Raises:
        DataError: If there is none, or some do not fit; all of them are named.
    """
    files = [path] if path.is_file() else _files(path)
    scenes: dict[str, Scene] = {}
    problems = []
    with progress(files, unit="file", what="look", keep=False) as bar:
        for file in bar:
            try:
                scene = _described(file, bands, value_range)
            except (DataError, ConfigError) as error:
                problems.append(str(error))
                continue
            name = portable_name(image_name(file.name if path.is_file() else file.relative_to(path)))
            scenes[f"{name}-{name_digest(str(file))}" if name in scenes else name] = scene
    if problems and (not skip_unfit or not scenes):
        shown = "".join(f"\n  {line}" for line in problems[:_SHOWN])
        more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise DataError(
            f"{path}: {len(problems)} of {len(files)} files are not what the network takes; say what they are, move "
            f"them elsewhere, or leave them out with --skip-unfit:{shown}{more}"
        )
    return Region(path=path, scenes=scenes, left_out=tuple(problems))


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder or raster")
    found = [
        folder / inside / name
        for inside, names in walk(folder, [], passes_over=lambda name: name.startswith("."))
        for name in names
        if is_raster(name)
    ]
    if not found:
        raise DataError(f"{folder}: holds no raster or image that could be known by its ending, such as .tif or .png")
    return found


def _described(file: Path, bands: Sequence[int] | None, value_range: Sequence[float] | None) -> Scene:
    """Describe a file; the range is for files of other than 8 bits.

    Raises:
        DataError: If it does not fit.
        ConfigError: If what is asked for does not.
    """
    scene = describe_scene(file, bands=bands, rest="drop") if value_range is None else _ranged(file, bands, value_range)
    origins = {scene.radiometry.origins[band] for band in scene.network_bands}
    if scene.dtype not in (_SHALLOW, "float32") and origins == {"type"}:
        hints = [note for note in scene.notes if "--range" in note]
        raise DataError(
            f"{file}: its values are {scene.dtype}, and the network is trained on 8 bits; state the values that become "
            f"0 and 255: --range LO HI{f' ({hints[0]})' if hints else ''}"
        )
    return scene


def _ranged(file: Path, bands: Sequence[int] | None, value_range: Sequence[float]) -> Scene:
    scene = describe_scene(file, bands=bands, rest="drop", value_range=value_range)
    return describe_scene(file, bands=bands, rest="drop") if scene.dtype == _SHALLOW else scene


def cut_region(region: Region, options: RegionOptions, folder: Path) -> CutRegion:
    """Cut a region into tiles, and write those that can be used as PNG: ``train/NAME.png`` and ``val/NAME.png``.

    Args:
        region: The region.
        options: How.
        folder: Where to.

    Raises:
        DataError: If there are too few, or a raster cannot be read.
        SaveError: If a tile cannot be written.
    """
    blocks: list[Block] = []
    too_small = 0
    sizes = {"tile": options.tile, "least": options.least}
    not_to_be = names_like_parts(region.scenes)
    for name, scene in region.scenes.items():
        label = f"{name}-{name_digest(scene.path)}" if name in not_to_be else name
        found = blocks_of(name, scene.height, scene.width, **sizes, val=options.val, label=label)
        blocks += found
        too_small += not found
    reasons: Counter[str] = Counter()
    total = sum(len(block.tiles) for block in blocks)
    with progress(total=min(total, options.most_train + options.most_val), unit="tile", what="cut") as bar:

        def keep(split: str, tile: Tile) -> bool:
            pixels, reason = _read(region.scenes[tile.source], tile.window)
            if pixels is None:
                reasons[reason] += 1
                return False
            _write(folder / split / f"{tile.name}.png", pixels)
            bar.update()
            return True

        division = divide(
            blocks,
            keep=keep,
            on_ground=lambda name, window: _on_ground(region.scenes[name], window),
            val=options.val,
            seed=options.seed,
            most_train=options.most_train,
            most_val=options.most_val,
        )
    reasons["images smaller than a patch"] += too_small
    reasons["beside a place of validation"] += division.near
    reasons["more than were asked for"] += division.unseen
    left_out = {reason: count for reason, count in reasons.items() if count}
    if len(division.train) < LEAST_TRAIN or len(division.val) < LEAST_VAL:
        why = f" Left out: {', '.join(f'{count} {reason}' for reason, count in left_out.items())}." if left_out else ""
        raise DataError(
            f"{region.path}: {len(division.train)} tiles for training and {len(division.val)} for validation are too "
            f"few; {LEAST_TRAIN} and {LEAST_VAL} are needed.{why} Give more images, or cut smaller tiles than --tile "
            f"{options.tile}."
        )
    return CutRegion(division=division, left_out=left_out)


def _is_small(scene: Scene, tile: int) -> bool:
    return max(scene.height, scene.width) <= 2 * tile


def _read(scene: Scene, window: Window) -> tuple[np.ndarray | None, str]:
    """Read (h, w, 3) RGB of 8 bits; or ``None``, and why they cannot be used."""
    with SceneReader(scene) as reader:
        read = reader.read(window)
    positions = list(scene.network_bands)
    if not read.valid[positions].all():
        return None, "with no-data"
    unit = scene.radiometry.to_unit(read.values[positions], positions)
    pixels = np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)
    if pixels.std(axis=(1, 2)).max() < _FLAT:
        return None, "flat"
    if ((pixels == 0).all(axis=0) | (pixels == 255).all(axis=0)).mean() > _BLANK:
        return None, "with black or white areas"
    return np.ascontiguousarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0)), ""


def _write(path: Path, pixels: np.ndarray) -> None:
    encoded, png = cv2.imencode(".png", pixels[:, :, ::-1])
    if not encoded:
        raise DataError(f"{path}: OpenCV cannot encode an image of shape {pixels.shape} as PNG")
    os.makedirs(path.parent, exist_ok=True)
    with atomic_write(path) as file:
        file.write(png.tobytes())


def _on_ground(scene: Scene, window: Window) -> Box | None:
    """The box around a window in degrees; ``None`` without a place on the earth. Its east may be beyond 180."""
    crs, transform = scene.metadata.crs, scene.metadata.transform
    if crs is None or transform is None or transform == Affine.identity():
        return None
    corners = [transform * (x, y) for x in (window.left, window.right) for y in (window.top, window.bottom)]
    across, up = zip(*corners, strict=True)
    try:
        west, south, east, north = transformed_bounds(crs, _WORLD, (min(across), min(up), max(across), max(up)))
    except (CRSError, ValueError):
        return None
    return west, south, east + 360 * (east < west), north
