"""Which tiles of a region are for training and which for validation: by place, so that neither sees the other's.

Blocks of tiles are put in an order that depends on their names and a seed alone. One after the other is for validation
until there are enough tiles; of the others, a tile is for training unless it lies in what surrounds a block of
validation: one tile's side within its raster, and what overlaps it on the ground in another one.
"""

import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from segsr_arch.preparation.splits import seeded_order
from segsr_arch.windows import Window

LEAST_TRAIN, LEAST_VAL = 8, 2
_BLOCK_SIDE = 4  # tiles of a block along one axis, at most
_NAMES_OF_PARTS = (re.compile(r"(.+)_\d+_\d+"), re.compile(r"(.+)_block_\d+_\d+"))  # as below
_ROUNDING = 1e-9  # degrees: neighbours that share an edge do not overlap

Box = tuple[float, float, float, float]
"""West, south, east and north in degrees; east is not less than west, and so beyond 180 across that meridian."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A part of a raster, or a small image as a whole.

    Attributes:
        name: Of its file, without ending; no two are equal.
        source: Name of its raster.
        window: Its pixels.
    """

    name: str
    source: str
    window: Window


@dataclass(frozen=True, kw_only=True)
class Block:
    """Tiles that are for validation together, or not.

    Attributes:
        name: No two are equal.
        tiles: The tiles, all of one raster.
        window: All their pixels.
        margin: Pixels around it that training does not see; 0 for a small image.
    """

    name: str
    tiles: tuple[Tile, ...]
    window: Window
    margin: int


@dataclass(frozen=True, kw_only=True)
class Division:
    """How a region was divided.

    Attributes:
        train: Tiles for training.
        val: Tiles for validation.
        near: How many were left out because they lie beside a place of validation, or on it.
        unseen: How many were not looked at, because there were enough.
    """

    train: tuple[Tile, ...]
    val: tuple[Tile, ...]
    near: int
    unseen: int


def names_like_parts(names: Collection[str]) -> set[str]:
    """Find what a raster must not be called, or one of its tiles or blocks would have one of these names."""
    found = (pattern.fullmatch(name) for name in names for pattern in _NAMES_OF_PARTS)
    return {match[1] for match in found if match is not None}


def blocks_of(
    source: str, height: int, width: int, *, tile: int, least: int, val: float, label: str | None = None
) -> list[Block]:
    """Cut a raster into blocks of tiles; one of at most two tiles along each side is one tile as it is.

    Args:
        source: Name of the raster.
        height: Its rows.
        width: Its columns.
        tile: Side of a tile in pixels.
        least: Least side of a tile at the right or the lower edge; what is narrower is left out.
        val: Share of the tiles that is for validation: about one block, if the raster is small.
        label: What its tiles are called by, if not by its name.

    Returns:
        The blocks; none if the raster is smaller than ``least``.
    """
    label = label or source
    if min(height, width) < least:
        return []
    if max(height, width) <= 2 * tile:
        window = Window(height=height, width=width)
        return [Block(name=source, tiles=(Tile(name=source, source=source, window=window),), window=window, margin=0)]
    rows, columns = (_cuts(length, tile, least) for length in (height, width))
    share = round(math.sqrt(val * len(rows) * len(columns)))
    side = max(1, min(_BLOCK_SIDE, share, min(len(rows), len(columns)) // 2))
    blocks = []
    for top in range(0, len(rows), side):
        for left in range(0, len(columns), side):
            windows = [
                Window(top=row, left=column, height=rows_high, width=columns_wide)
                for row, rows_high in rows[top : top + side]
                for column, columns_wide in columns[left : left + side]
            ]
            first, last = windows[0], windows[-1]
            blocks.append(
                Block(
                    name=f"{label}_block_{first.top}_{first.left}",
                    tiles=tuple(
                        Tile(name=f"{label}_{each.top}_{each.left}", source=source, window=each) for each in windows
                    ),
                    window=Window(
                        top=first.top,
                        left=first.left,
                        height=last.bottom - first.top,
                        width=last.right - first.left,
                    ),
                    margin=tile,
                )
            )
    return blocks


def _cuts(length: int, tile: int, least: int) -> list[tuple[int, int]]:
    """Starts and lengths of tiles along one axis."""
    cuts = [(start, min(tile, length - start)) for start in range(0, length, tile)]
    return [cut for cut in cuts if cut[1] >= least]


def divide(
    blocks: Sequence[Block],
    *,
    keep: Callable[[str, Tile], bool],
    on_ground: Callable[[str, Window], Box | None],
    val: float,
    seed: int,
    most_train: int,
    most_val: int,
) -> Division:
    """Divide blocks into training and validation.

    Args:
        blocks: All of the region.
        keep: Takes a tile for ``train`` or ``val``; tells whether it can be used.
        on_ground: Where pixels of a raster lie; ``None`` if it does not say.
        val: Share of the tiles that is for validation.
        seed: Any whole number.
        most_train: Tiles for training are looked at until there are so many.
        most_val: Blocks are for validation until there are so many tiles, or the share of all.

    Returns:
        The division; whether there are enough tiles is the caller's to say.
    """
    by_name = {block.name: block for block in blocks}
    goal = max(LEAST_VAL, min(most_val, math.ceil(val * sum(len(block.tiles) for block in blocks))))
    chosen: list[Block] = []
    kept: list[Tile] = []
    order = seeded_order(by_name, seed)
    while order and len(kept) < goal:
        block = by_name[order.pop(0)]
        usable = [tile for tile in block.tiles if keep("val", tile)]
        if usable:
            chosen.append(block)
            kept += usable
    left = {tile.name: tile for name in order for tile in by_name[name].tiles}
    places = [(block, _grown_on_ground(block, on_ground)) for block in chosen]
    free = [name for name in seeded_order(left, seed) if not _is_near(left[name], places, on_ground)]
    train: list[Tile] = []
    unseen = 0
    for position, name in enumerate(free):
        if len(train) >= most_train:
            unseen = len(free) - position
            break
        if keep("train", left[name]):
            train.append(left[name])
    return Division(train=tuple(train), val=tuple(kept), near=len(left) - len(free), unseen=unseen)


def _grown_on_ground(block: Block, on_ground: Callable[[str, Window], Box | None]) -> Box | None:
    """The place of a block with its margin; beyond the raster's edges, too."""
    box = on_ground(block.tiles[0].source, block.window)
    if box is None:
        return None
    west, south, east, north = box
    across = (east - west) * block.margin / block.window.width
    up = (north - south) * block.margin / block.window.height
    return west - across, south - up, east + across, north + up


def _is_near(
    tile: Tile, places: Sequence[tuple[Block, Box | None]], on_ground: Callable[[str, Window], Box | None]
) -> bool:
    """Whether a tile lies in a place of validation or in what surrounds it."""
    ground = on_ground(tile.source, tile.window) if any(box is not None for _, box in places) else None
    for block, box in places:
        if block.tiles[0].source == tile.source:
            if _overlap(_as_box(tile.window, 0), _as_box(block.window, block.margin)):
                return True
        elif box is not None and ground is not None and _meet(ground, box):
            return True
    return False


def _as_box(window: Window, margin: int) -> Box:
    return window.left - margin, window.top - margin, window.right + margin, window.bottom + margin


def _overlap(one: Box, other: Box) -> bool:
    return all(max(one[axis], other[axis]) < min(one[axis + 2], other[axis + 2]) - _ROUNDING for axis in (0, 1))


def _meet(one: Box, other: Box) -> bool:
    """Whether two boxes in degrees overlap, however often they count the earth around."""
    west, south, east, north = one
    return any(_overlap((west + turn, south, east + turn, north), other) for turn in (-360, 0, 360))
