"""Drawn aerial-like scenes: the whole way from images to a trained network without any download."""

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from segsr_arch.drawing.canvas import Canvas, Colour, shade
from segsr_arch.drawing.objects import (
    ASPHALT,
    CONCRETE,
    WHITE_PAINT,
    YELLOW_PAINT,
    boat,
    car,
    flat_roof,
    house,
    pick,
    tree,
    truck,
)
from segsr_arch.errors import DataError
from segsr_arch.files.atomic import atomic_write

_GRASS = (104, 122, 76)
_GRAIN = 1.5


def _residential(rng: np.random.Generator, size: int) -> Canvas:
    """Houses in lots on both sides of streets, with drives, cars, pools and trees."""
    canvas = Canvas(rng=rng, size=size, ground=_GRASS, mottle=9)
    far = canvas.reach
    lot, deep, road = rng.uniform(42, 50), rng.uniform(54, 60), 26.0
    period = 2 * deep + road + 12
    for street in np.arange(-far - rng.uniform(0, period), far + period, period):
        canvas.line((-far, street), (far, street), road + 12, CONCRETE)
        canvas.line((-far, street), (far, street), road + 7, _GRASS)
        canvas.line((-far, street), (far, street), road, canvas.vary(ASPHALT, 8))
        canvas.dashes((-far, street), (far, street), 1.2, YELLOW_PAINT, 9, 8)
        for side in (-1, 1):
            edge = street + side * (road / 2 + 6)
            canvas.line((-far, edge + side * deep), (far, edge + side * deep), 1.4, (150, 132, 104))
            for x in np.arange(-far + rng.uniform(0, lot), far, lot):
                canvas.line((x - lot / 2, edge), (x - lot / 2, edge + side * deep), 1.2, (158, 140, 112))
                width, depth = rng.uniform(24, 32), rng.uniform(20, 28)
                middle = edge + side * (14 + depth / 2)
                drive = x + width / 2 - 5
                canvas.box((drive, street + side * (road / 2 + 10)), 10, 22, canvas.vary(CONCRETE, 8))
                if rng.random() < 0.55:
                    car(canvas, (drive, edge + side * 6), side * math.pi / 2)
                house(canvas, (x, middle), width, depth)
                if rng.random() < 0.35:
                    pool = (x + rng.uniform(-8, 8), edge + side * (deep - 9))
                    canvas.box(pool, 14, 9, (224, 222, 214))
                    canvas.box(pool, 11.5, 6.5, (70, 156, 190))
                for _ in range(rng.integers(1, 4)):
                    spot = (x + rng.uniform(-0.45, 0.45) * lot, edge + side * rng.uniform(deep - 16, deep - 4))
                    tree(canvas, spot, rng.uniform(3.5, 7))
        for x in np.arange(-far, far, 30):
            if rng.random() < 0.3:
                car(canvas, (x, street + rng.choice([-8, 8])), rng.choice([0, math.pi]))
    return canvas


def _parking(rng: np.random.Generator, size: int) -> Canvas:
    """Rows of stalls, most of them taken, between planted islands; a large building beside."""
    canvas = Canvas(rng=rng, size=size, ground=_asphalt_of(rng), mottle=4)
    far = canvas.reach
    stall, deep, aisle = 8.6, 17.0, 22.0
    for row in np.arange(-far, far, 2 * deep + aisle):
        canvas.line((-far, row), (far, row), 1.1, WHITE_PAINT)
        for side in (-1, 1):
            for x in np.arange(-far, far, stall):
                canvas.line((x, row), (x, row + side * deep), 1.1, WHITE_PAINT)
                if rng.random() < 0.66:
                    spot = (x + stall / 2, row + side * (deep / 2 + rng.uniform(-0.8, 0.8)))
                    car(canvas, spot, rng.choice([-1, 1]) * math.pi / 2, rng.uniform(12, 13.6))
        for x in np.arange(-far + rng.uniform(0, 80), far, 11 * stall):
            canvas.box((x, row), 2 * stall, 2 * deep, (196, 192, 184))
            canvas.box((x, row), 2 * stall - 2.4, 2 * deep - 2.4, (110, 118, 76))
            for y in (-deep / 2, deep / 2):
                tree(canvas, (x, row + y), rng.uniform(4.5, 6.5))
        lane = row + deep + aisle / 2
        for x in np.arange(-far + rng.uniform(0, 50), far, 64):
            canvas.line((x, lane), (x + 9, lane), 1.4, WHITE_PAINT)
            canvas.polygon([(x + 9, lane - 3.2), (x + 14, lane), (x + 9, lane + 3.2)], WHITE_PAINT)
        if rng.random() < 0.5:
            car(canvas, (rng.uniform(-far, far), lane + 5), 0.0)
    if rng.random() < 0.5:
        width = rng.uniform(0.5, 0.8) * size
        canvas.box((0.7 * size, 0), width + 14, 2 * far, CONCRETE)
        flat_roof(canvas, (0.7 * size, 0), width, rng.uniform(0.6, 1.2) * size)
    return canvas


def _asphalt_of(rng: np.random.Generator) -> Colour:
    """The grey of one car park: asphalt, fresh or worn."""
    return shade(ASPHALT, plus=rng.uniform(-12, 24))


def _farmland(rng: np.random.Generator, size: int) -> Canvas:
    """Fields with crop rows in their own directions, dirt tracks, a ditch, hedges and a barn."""
    canvas = Canvas(rng=rng, size=size, ground=(150, 128, 92), mottle=8)
    far = canvas.reach
    crops = ((96, 128, 62), (138, 150, 74), (196, 176, 108), (120, 98, 70), (74, 108, 60), (168, 160, 96))
    soils = ((134, 110, 80), (150, 128, 92), (116, 94, 70))
    x = -far - rng.uniform(0, 40)
    while x < far:
        wide = rng.uniform(46, 100)
        y = -far - rng.uniform(0, 60)
        while y < far:
            tall = rng.uniform(60, 130)
            crop, soil = canvas.vary(pick(rng, crops), 10), canvas.vary(pick(rng, soils), 10)
            middle = (x + wide / 2, y + tall / 2)
            canvas.box(middle, wide - 5, tall - 5, soil)
            gap, ratio = rng.uniform(4.2, 8.5), rng.uniform(0.45, 0.7)
            if rng.random() < 0.5:
                for at in np.arange(x + 5, x + wide - 5, gap):
                    canvas.box((at, middle[1]), gap * ratio, tall - 9, canvas.vary(crop, 7))
            else:
                for at in np.arange(y + 5, y + tall - 5, gap):
                    canvas.box((middle[0], at), wide - 9, gap * ratio, canvas.vary(crop, 7))
            y += tall
        if rng.random() < 0.6:
            for at in np.arange(-far, far, rng.uniform(11, 16)):
                tree(canvas, (x, at), rng.uniform(3.5, 5.5))
        x += wide
    track = rng.uniform(-0.3, 0.3) * size
    canvas.line((-far, track), (far, track), 13, (188, 168, 130))
    for rut in (-3, 3):
        canvas.line((-far, track + rut), (far, track + rut), 1.8, (148, 126, 94))
    canvas.line((-far, track + 12), (far, track + 12), 4, (70, 92, 104))
    barn = (rng.uniform(-0.3, 0.3) * size, track - 24)
    canvas.box(barn, 52, 34, (176, 158, 124))
    house(canvas, barn, rng.uniform(34, 42), rng.uniform(16, 22))
    return canvas


def _harbor(rng: np.random.Generator, size: int) -> Canvas:
    """Jetties with boats on both sides in rippled water, a quay with sheds behind them."""
    canvas = Canvas(rng=rng, size=size, ground=_water_of(rng), mottle=3)
    far = canvas.reach
    for _ in range(int(size * 1.2)):
        start = rng.uniform(-far, far, 2)
        ripple = canvas.vary((66, 104, 118), 12)
        canvas.line(tuple(start), (start[0] + rng.uniform(5, 12), start[1] + rng.uniform(-1, 1)), 0.9, ripple)
    spacing, berth = rng.uniform(62, 74), rng.uniform(9.5, 12)
    planks = (170, 152, 126)
    for x in np.arange(-far + rng.uniform(0, spacing), far, spacing):
        canvas.shadow([(x - 3.5, -far), (x + 3.5, -far), (x + 3.5, far), (x - 3.5, far)], 2.5)
        canvas.line((x, -far), (x, far), 7, planks)
        for y in np.arange(-far, far, 3.2):
            canvas.line((x - 3.5, y), (x + 3.5, y), 0.8, (132, 116, 94))
        for side in (-1, 1):
            for y in np.arange(-far, far, berth):
                canvas.line((x + side * 3, y), (x + side * 17, y), 1.5, planks)
                if rng.random() < 0.78:
                    turn = 0.0 if rng.random() < 0.5 else math.pi
                    boat(canvas, (x + side * 15, y + berth / 2), turn, rng.uniform(17, 22))
    quay = rng.uniform(0.3, 0.45) * size
    canvas.box((0, quay + far), 4 * far, 2 * far, CONCRETE)
    canvas.line((-far, quay), (far, quay), 3, (112, 108, 102))
    for x in np.arange(-far, far, 46):
        if rng.random() < 0.6:
            house(canvas, (x, quay + 30), 38, 24)
        else:
            for at in np.arange(x - 16, x + 16, 8.6):
                canvas.line((at, quay + 18), (at, quay + 34), 1.1, WHITE_PAINT)
                if rng.random() < 0.6:
                    car(canvas, (at + 4.3, quay + 26), math.pi / 2)
    return canvas


def _water_of(rng: np.random.Generator) -> Colour:
    """The colour of one harbour's water, green to blue."""
    blend = rng.uniform(0, 1)
    return (44 + 10 * blend, 86 - 6 * blend, 92 + 26 * blend)


def _freeway(rng: np.random.Generator, size: int) -> Canvas:
    """Two carriageways with lane markings and traffic, a bridge over them, fields and trees beside."""
    canvas = Canvas(rng=rng, size=size, ground=(128, 128, 86), mottle=10)
    far = canvas.reach
    lanes, lane, median = int(rng.integers(3, 5)), 12.0, rng.uniform(8, 16)
    wide = lanes * lane
    for _ in range(int(size / 5)):
        spot = rng.uniform(-far, far, 2)
        if abs(spot[1]) > wide + median / 2 + 18:
            tree(canvas, tuple(spot), rng.uniform(3.5, 8))
    surface = canvas.vary((150, 148, 142), 24)
    for side in (-1, 1):
        middle = side * (median / 2 + wide / 2)
        canvas.line((-far, middle), (far, middle), wide + 8, canvas.vary(ASPHALT, 10))
        canvas.line((-far, middle), (far, middle), wide, surface)
        for x in np.arange(-far, far, 24):
            canvas.line((x, middle - wide / 2), (x, middle + wide / 2), 0.6, shade(surface, 0.9))
        for edge, paint in ((median / 2 + 1.5, YELLOW_PAINT), (median / 2 + wide - 1.5, WHITE_PAINT)):
            canvas.line((-far, side * edge), (far, side * edge), 1.4, paint)
        for number in range(1, lanes):
            at = side * (median / 2 + number * lane)
            canvas.dashes((-far, at), (far, at), 1.4, WHITE_PAINT, 11, 13)
        for number in range(lanes):
            at = side * (median / 2 + (number + 0.5) * lane)
            x = -far + rng.uniform(0, 40)
            while x < far:
                if rng.random() < 0.16:
                    truck(canvas, (x + 10, at), 0.0 if side < 0 else math.pi)
                    x += 30
                else:
                    car(canvas, (x, at), 0.0 if side < 0 else math.pi)
                x += rng.uniform(22, 70)
    canvas.line((-far, 0), (far, 0), 2.2, (198, 196, 190))
    for x in np.arange(-far, far, 8):
        canvas.box((x, 0), 1.6, 4.4, (120, 118, 114))
    if rng.random() < 0.6:
        x = rng.uniform(-0.35, 0.35) * size
        canvas.shadow([(x - 17, -far), (x + 17, -far), (x + 17, far), (x - 17, far)], 9)
        canvas.line((x, -far), (x, far), 34, (196, 192, 184))
        canvas.line((x, -far), (x, far), 29, canvas.vary(ASPHALT, 10))
        for offset in (-0.9, 0.9):
            canvas.line((x + offset, -far), (x + offset, far), 0.9, YELLOW_PAINT)
        for y in np.arange(-far + rng.uniform(0, 40), far, 58):
            car(canvas, (x + 7 * rng.choice([-1, 1]), y), math.pi / 2)
    return canvas


_KINDS: dict[str, Callable[[np.random.Generator, int], Canvas]] = {
    "farmland": _farmland,
    "freeway": _freeway,
    "harbor": _harbor,
    "parking": _parking,
    "residential": _residential,
}
SCENE_KINDS = tuple(_KINDS)
"""The kinds of scene that can be drawn."""


def draw_scene(seed: int, kind: str, size: int = 256) -> np.ndarray:
    """Draw one scene.

    Args:
        seed: Any whole number from 0; the same one gives the same scene.
        kind: One of :data:`SCENE_KINDS`.
        size: Side in pixels, at least 16. A larger scene shows more, not finer things.

    Returns:
        (size, size, 3) uint8, RGB.

    Raises:
        DataError: If there is no such kind, or the size is too small.
    """
    if kind not in _KINDS:
        raise DataError(f"no scene is called {kind!r}: choose one of {', '.join(SCENE_KINDS)}")
    if size < 16:
        raise DataError(f"a scene of {size} pixels shows nothing: the smallest is 16")
    rng = np.random.default_rng([seed, SCENE_KINDS.index(kind)])
    return _KINDS[kind](rng, size).finish(grain=_GRAIN)


def write_scenes(folder: str | Path, count: int, size: int, seed: int) -> list[Path]:
    """Draw scenes into class folders ``<kind>/<kind>NN.png``.

    Args:
        folder: Where; it is made if needed.
        count: How many in all, spread evenly over the kinds.
        size: Side of each in pixels.
        seed: Seed of the whole set.

    Returns:
        The files, sorted.

    Raises:
        DataError: If the count is below 1, or :func:`draw_scene` refuses the size.
        SaveError: If a file cannot be written.
    """
    if count < 1:
        raise DataError(f"cannot draw {count} scenes: ask for at least one")
    paths = []
    for number in range(count):
        kind, position = SCENE_KINDS[number % len(SCENE_KINDS)], number // len(SCENE_KINDS)
        path = Path(folder) / kind / f"{kind}{position:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        _, png = cv2.imencode(".png", draw_scene(1000 * seed + position, kind, size)[:, :, ::-1])
        with atomic_write(path) as file:
            file.write(png.tobytes())
        paths.append(path)
    return sorted(paths)
