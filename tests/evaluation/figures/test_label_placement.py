import numpy as np

from segsr_arch.evaluation.figures.label_placement import place_labels

AREA = (2.0, 2.0)


def boxes(points, sizes, radius):
    corners = place_labels(points, sizes, area=AREA, radius=radius)
    named = [(x, y, x + w, y + h) for (x, y), (w, h) in zip(corners, sizes, strict=True)]
    return named + [(x - radius, y - radius, x + radius, y + radius) for x, y in points]


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def test_names_cover_neither_each_other_nor_points_nor_edges():
    rng = np.random.default_rng(4)
    points = [tuple(place) for place in rng.uniform(0.1, 1.9, (9, 2))]
    sizes = [(0.1 + 0.05 * i, 0.1) for i in range(9)]
    found = boxes(points, sizes, 0.04)
    for i, name in enumerate(found[:9]):
        assert min(name[:2]) >= 0 and max(name[2:]) <= 2.0
        assert not any(overlap(name, other) for j, other in enumerate(found) if j not in (i,))


def test_a_name_at_the_right_edge_goes_left():
    ((x, _),) = place_labels([(1.9, 1.0)], [(0.5, 0.1)], area=AREA, radius=0.05)
    assert x + 0.5 <= 1.85 + 1e-9


def test_without_room_there_are_no_places():
    assert place_labels([(1.0, 1.0)], [(2.1, 0.1)], area=AREA, radius=0.05) is None
    assert place_labels([(1.0, 1.0)] * 60, [(0.6, 0.1)] * 60, area=AREA, radius=0.05) is None
