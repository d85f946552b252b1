"""What stands in the drawn scenes: houses, trees, cars, boats. Sizes are in pixels of about 0.3 m."""

import math

import numpy as np

from segsr_arch.drawing.canvas import Canvas, Colour, Point, box_corners, shade

ASPHALT = (92, 93, 96)
CONCRETE = (178, 174, 165)
WHITE_PAINT = (226, 226, 218)
YELLOW_PAINT = (214, 176, 66)

_CARS = ((222, 222, 224), (40, 42, 48), (150, 30, 34), (42, 70, 128), (120, 124, 130), (196, 180, 150), (28, 84, 66))
_ROOFS = ((150, 84, 66), (120, 108, 100), (96, 98, 106), (176, 150, 122), (168, 104, 76), (132, 132, 128))
_LEAVES = ((52, 84, 44), (66, 98, 52), (44, 72, 46), (84, 104, 56))


def pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    """One of several colours."""
    return colours[rng.integers(len(colours))]


def _turned(centre: Point, along: float, across: float, turn: float) -> Point:
    """A point relative to a centre, in a frame turned by ``turn``."""
    cosine, sine = math.cos(turn), math.sin(turn)
    return centre[0] + along * cosine - across * sine, centre[1] + along * sine + across * cosine


def car(canvas: Canvas, centre: Point, turn: float, length: float = 13.0) -> None:
    """A parked or driving car, its front towards ``turn`` radians."""
    if not canvas.sees(centre, length):
        return
    width = 0.45 * length
    paint = canvas.vary(pick(canvas.rng, _CARS), 10)
    glass = (30, 36, 44)
    canvas.shadow(box_corners(centre, length, width, turn), 2.4)
    canvas.box(centre, length, 0.86 * width, paint, turn)
    canvas.box(centre, 0.9 * length, width, paint, turn)
    canvas.box(_turned(centre, 0.17 * length, 0, turn), 0.13 * length, 0.8 * width, glass, turn)
    canvas.box(_turned(centre, -0.3 * length, 0, turn), 0.1 * length, 0.76 * width, glass, turn)
    roof = shade(paint, 1.12, 8)
    canvas.box(_turned(centre, -0.07 * length, 0, turn), 0.3 * length, 0.7 * width, roof, turn)


def truck(canvas: Canvas, centre: Point, turn: float) -> None:
    """A truck with a long box."""
    if not canvas.sees(centre, 30):
        return
    canvas.shadow(box_corners(centre, 38, 8.5, turn), 6)
    canvas.box(_turned(centre, 16, 0, turn), 6, 7.5, pick(canvas.rng, _CARS), turn)
    canvas.box(_turned(centre, 17.5, 0, turn), 1.4, 6.5, (30, 36, 44), turn)
    body = canvas.vary((206, 206, 202), 20)
    canvas.box(_turned(centre, -4, 0, turn), 30, 8.5, body, turn)
    for at in np.arange(-17, 10, 3.5):
        canvas.box(_turned(centre, at, 0, turn), 0.7, 8.5, shade(body, 0.85), turn)


def tree(canvas: Canvas, centre: Point, radius: float) -> None:
    """A tree seen from above: a shadow and a crown of clumps."""
    if not canvas.sees(centre, 3 * radius):
        return
    rng = canvas.rng
    angles = np.linspace(0, 2 * math.pi, 12, endpoint=False)
    canvas.shadow(np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius + np.asarray(centre), 1.1 * radius)
    leaf = canvas.vary(pick(rng, _LEAVES), 8)
    canvas.disc(centre, radius, shade(leaf, 0.8))
    for _ in range(int(6 + 2 * radius)):
        angle, away = rng.uniform(0, 2 * math.pi), radius * math.sqrt(rng.uniform(0, 0.8))
        direction = (math.cos(angle), math.sin(angle))
        clump = (centre[0] + away * direction[0], centre[1] + away * direction[1])
        canvas.disc(clump, radius * rng.uniform(0.18, 0.34), canvas.vary(canvas.lit(leaf, direction), 14))


def house(canvas: Canvas, centre: Point, width: float, depth: float) -> None:
    """A house with a gable or hip roof, its ridge along the longer side, and things on it."""
    if not canvas.sees(centre, width + depth):
        return
    rng = canvas.rng
    colour = canvas.vary(pick(rng, _ROOFS), 14)
    corners = box_corners(centre, width, depth)
    canvas.shadow(corners, rng.uniform(6, 10))
    long_x = width >= depth
    inset = rng.choice([0.0, 0.5]) * min(width, depth)
    if long_x:
        ridge = [(centre[0] - width / 2 + inset, centre[1]), (centre[0] + width / 2 - inset, centre[1])]
        tops = [(ridge[1], ridge[0]), (ridge[1],), (ridge[0], ridge[1]), (ridge[0],)]
    else:
        ridge = [(centre[0], centre[1] - depth / 2 + inset), (centre[0], centre[1] + depth / 2 - inset)]
        tops = [(ridge[0],), (ridge[1], ridge[0]), (ridge[1],), (ridge[0], ridge[1])]
    sides = [((0, -1), [0, 1]), ((1, 0), [1, 2]), ((0, 1), [2, 3]), ((-1, 0), [3, 0])]
    for (normal, ends), top in zip(sides, tops, strict=True):
        canvas.polygon([*(tuple(corners[end]) for end in ends), *top], canvas.lit(colour, normal))
    canvas.line(ridge[0], ridge[1], 1.2, shade(colour, 1.25))
    for _ in range(rng.integers(0, 4)):
        spot = (centre[0] + rng.uniform(-0.3, 0.3) * width, centre[1] + rng.uniform(-0.3, 0.3) * depth)
        canvas.box(spot, 2.6, 2.6, pick(rng, ((214, 214, 210), (52, 54, 60))))
    if rng.random() < 0.25:
        along = 0.24 * (depth if long_x else width)
        middle = (centre[0], centre[1] + along) if long_x else (centre[0] + along, centre[1])
        panel = (0.4 * width, 0.3 * depth) if long_x else (0.3 * width, 0.4 * depth)
        canvas.box(middle, *panel, (38, 48, 78))
        for part in (-0.25, 0.0, 0.25):
            at = (middle[0] + part * panel[0], middle[1]) if long_x else (middle[0], middle[1] + part * panel[1])
            canvas.box(at, *((0.7, panel[1]) if long_x else (panel[0], 0.7)), (126, 136, 158))


def flat_roof(canvas: Canvas, centre: Point, width: float, depth: float) -> None:
    """A large building with a parapet and rows of units on its roof."""
    rng = canvas.rng
    colour = canvas.vary((186, 184, 178), 22)
    canvas.shadow(box_corners(centre, width, depth), 13)
    canvas.box(centre, width, depth, shade(colour, 0.78))
    canvas.box(centre, width - 3, depth - 3, colour)
    for x in np.arange(-0.4 * width, 0.4 * width, 15):
        for y in np.arange(-0.35 * depth, 0.35 * depth, 17):
            if rng.random() < 0.6:
                spot = (centre[0] + x, centre[1] + y)
                canvas.shadow(box_corners(spot, 5, 4), 2)
                canvas.box(spot, 5, 4, (216, 216, 214))
                canvas.box(spot, 2.2, 2.2, (96, 98, 102))


def boat(canvas: Canvas, centre: Point, turn: float, length: float) -> None:
    """A moored boat, its bow towards ``turn`` radians."""
    if not canvas.sees(centre, length):
        return
    rng = canvas.rng
    width = 0.32 * length
    outline = [(-0.5, -0.42), (0.15, -0.5), (0.36, -0.3), (0.5, 0.0), (0.36, 0.3), (0.15, 0.5), (-0.5, 0.42)]
    hull = [_turned(centre, x * length, y * width, turn) for x, y in outline]
    canvas.shadow(hull, 2.2)
    canvas.polygon(hull, canvas.vary(pick(rng, ((236, 236, 232), (228, 222, 206), (60, 78, 120))), 8))
    deck = [_turned(centre, 0.84 * x * length, 0.72 * y * width, turn) for x, y in outline]
    canvas.polygon(deck, canvas.vary((206, 196, 176), 16))
    canvas.box(_turned(centre, 0.05 * length, 0, turn), 0.3 * length, 0.56 * width, (240, 240, 238), turn)
    canvas.box(_turned(centre, 0.18 * length, 0, turn), 0.06 * length, 0.5 * width, (40, 48, 60), turn)
    if rng.random() < 0.4:
        canvas.box(_turned(centre, -0.3 * length, 0, turn), 0.22 * length, 0.6 * width, (46, 74, 138), turn)
