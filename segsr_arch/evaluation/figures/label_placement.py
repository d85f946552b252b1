"""Names beside points so that no name covers another name, a point, or the edge of the plot."""

from collections.abc import Sequence

Box = tuple[float, float, float, float]  # left, lower, right, upper

_DISTANCES = (1.0, 2.0, 3.5, 5.0, 7.0)
# Right, left, above, below, then the corners: where a reader looks first.
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    *,
    area: tuple[float, float],
    radius: float,
) -> list[tuple[float, float]] | None:
    """Find a place for each name.

    Names are placed one after the other, those of points with near neighbours first, each at the first free of 40
    places around its point, near ones first.

    Args:
        points: Places of the points, in any unit of length, from the lower left corner of the plot.
        sizes: Width and height of the names, in the same unit.
        area: Width and height of the plot.
        radius: Half the side of a point's marker.

    Returns:
        Lower left corner of each name, or ``None`` if not all of them find a place.
    """
    taken: list[Box] = [(x - radius, y - radius, x + radius, y + radius) for x, y in points]

    def nearest(i: int) -> float:
        x, y = points[i]
        return min(((x - a) ** 2 + (y - b) ** 2 for j, (a, b) in enumerate(points) if j != i), default=0.0)

    found: dict[int, tuple[float, float]] = {}
    for i in sorted(range(len(points)), key=lambda i: (nearest(i), i)):
        (x, y), (width, height) = points[i], sizes[i]
        for distance in _DISTANCES:
            for across, up in _DIRECTIONS:
                reach = radius * (1 + distance * 0.5)
                middle = (x + across * (reach + width / 2), y + up * (reach + height / 2))
                box = (middle[0] - width / 2, middle[1] - height / 2, middle[0] + width / 2, middle[1] + height / 2)
                inside = box[0] >= 0 and box[1] >= 0 and box[2] <= area[0] and box[3] <= area[1]
                if inside and not any(_overlap(box, other) for other in taken):
                    found[i] = (box[0], box[1])
                    taken.append(box)
                    break
            if i in found:
                break
        else:
            return None
    return [found[i] for i in range(len(points))]
