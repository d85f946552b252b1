"""Guidance maps of several networks under one another, beside them what the units of each have in common."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from segsr_arch.errors import DataError
from segsr_arch.evaluation.figures.choosing import find_image
from segsr_arch.evaluation.figures.maps_figure import COLOUR_MAP, MOST_UNITS, WHAT_MAPS_ARE
from segsr_arch.evaluation.figures.style import (
    LINE,
    WIDTH,
    add_box,
    add_lines,
    figure_style,
    names_of_random,
    new_figure,
    wrap,
)
from segsr_arch.evaluation.map_files import read_grid, read_maps
from segsr_arch.evaluation.map_statistics import MapStatistics, recorded_statistics
from segsr_arch.evaluation.report.pictures import to_display
from segsr_arch.results.comparison import check_comparable
from segsr_arch.results.record import EvaluationRecord, ImageRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARGIN, _GAP, _BAR = 0.03, 0.06, 0.55  # inches
_WORDS, _WIDEST = 1.4, 1.6
_TITLE = LINE + 0.04
_REACH = 2.5  # of the colour scale, in deviations
_FLAT = 1e-6  # a deviation that is nothing but rounding


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkMaps:
    """What one network's row shows of an image.

    Attributes:
        name: Name of the network.
        statistics: Of its maps over all images of the evaluation.
        maps: Cosines (k, h, w) float32, on the pixels of the LR image.
    """

    name: str
    statistics: MapStatistics
    maps: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparedMaps:
    """One image and the maps of each network.

    Attributes:
        name: Its name.
        lr: LR image (h, w, 3), uint8 RGB.
        networks: At least one.
    """

    name: str
    lr: np.ndarray
    networks: tuple[NetworkMaps, ...]


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Lengths that all rows have in common, in inches.

    Attributes:
        per_row: Units side by side.
        width: Of a picture.
    """

    per_row: int
    width: float

    @classmethod
    def of(cls, units: int) -> "_Layout":
        per_row = min(units, MOST_UNITS)
        room = WIDTH - 2 * _MARGIN - _WORDS - _BAR
        return cls(per_row=per_row, width=min(room / (per_row + 1) - _GAP, _WIDEST))

    def left(self, column: int) -> float:
        """Where a column of pictures begins; the first holds the LR image."""
        return _MARGIN + _WORDS + column * (self.width + _GAP)

    def row_height(self, network: NetworkMaps, height: float) -> float:
        """What a network takes, its maps being so high."""
        lines = math.ceil(len(network.maps) / self.per_row)
        words = sum(len(part) for part in _described(network))
        return max(lines * (height + 2 * LINE + _GAP), words * LINE + _GAP)


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _described(network: NetworkMaps) -> tuple[list[str], list[str]]:
    """The name and the words beside a row."""
    found = network.statistics
    related = "none"
    if found.correlation is not None and found.least is not None:
        related = f"{_signed(found.correlation)} (least {_signed(found.least)})"
    words = ["correlation of units", f"  {related}", "deviation", f"  {found.deviation:.3f}"]
    return wrap(network.name, _WORDS - _GAP, bold=True), words


def _rows(record: EvaluationRecord) -> dict[str, ImageRow]:
    """Rows by name of the images whose maps and LR image are on the disk."""
    found = {row.name: row for row in record.images if row.maps is not None and row.lq is not None}
    if not found:
        raise DataError(
            f"{record.method} on {record.dataset}: no image has guidance maps and an LR image on the disk; give "
            f"evaluations of guided networks that have maps alone."
        )
    return found


def _common(records: Sequence[EvaluationRecord], rows: Sequence[dict[str, ImageRow]]) -> list[str]:
    """Names of the images whose maps and LR image all networks have on the disk."""
    names = sorted(set.intersection(*(set(each) for each in rows)))
    if not names:
        raise DataError(
            f"{', '.join(record.method for record in records)} on {records[0].dataset}: there is no image of which all "
            f"have guidance maps and an LR image on the disk; evaluate them anew."
        )
    return names


def _wanted(
    name: str, records: Sequence[EvaluationRecord], rows: Sequence[dict[str, ImageRow]], common: Sequence[str]
) -> str:
    """The image of a name that was given, which every network must have."""
    name = find_image(name, [row.name for row in records[0].images])
    for record, each in zip(records, rows, strict=True):
        if name not in each:
            raise DataError(
                f"--image {name}: {record.method} on {record.dataset} has no guidance maps or no LR image of it on the "
                f"disk; take another, such as {common[0]}, or evaluate it anew."
            )
    return name


def _most_varied(names: Sequence[str], rows: Sequence[dict[str, ImageRow]]) -> str:
    """The image whose maps vary most, each network's beside its own mean, so that none decides alone."""
    score = np.zeros(len(names))
    for each in rows:
        values = np.array([read_grid(each[name].maps)[0].flatten(1).std(dim=1, correction=0).mean() for name in names])
        score += values / max(values.mean(), _FLAT)
    return names[int(score.argmax())]


def _load(
    name: str, records: Sequence[EvaluationRecord], rows: Sequence[dict[str, ImageRow]], found: Sequence[MapStatistics]
) -> ComparedMaps:
    lr = to_display(rows[0][name].lq.read())[..., ::-1]
    networks = tuple(
        NetworkMaps(
            name=record.method, statistics=statistics, maps=read_maps(each[name].maps, size=lr.shape[:2]).numpy()
        )
        for record, each, statistics in zip(records, rows, found, strict=True)
    )
    return ComparedMaps(name=name, lr=np.ascontiguousarray(lr), networks=networks)


def draw_compared_maps(images: Sequence[ComparedMaps], *, caption: str) -> "Figure":
    """Draw the LR image and below one another the maps of each network, each minus its mean over the image.

    The colour scale reaches 2.5 deviations to both sides, of all of a network's maps in that image, so that the
    structure of flat ones is seen, too, and one that is flatter than those beside it looks so.

    Args:
        images: At least one.
        caption: Text below.

    Returns:
        A figure 7.16 inches wide, less with few units.

    Raises:
        DependencyError: If matplotlib is missing.
    """
    layout = _Layout.of(max(len(network.maps) for image in images for network in image.networks))
    total_width = layout.left(1 + layout.per_row) + _BAR + _MARGIN
    heights = [layout.width * image.lr.shape[0] / image.lr.shape[1] for image in images]
    with figure_style():
        below = wrap(caption, total_width - 2 * _MARGIN)
        blocks = [
            _TITLE + sum(layout.row_height(network, height) for network in image.networks)
            for image, height in zip(images, heights, strict=True)
        ]
        figure = new_figure(2 * _MARGIN + sum(blocks) + len(below) * LINE, width=total_width)
        top = _MARGIN
        for image, height in zip(images, heights, strict=True):
            add_lines(figure, _MARGIN, top, [image.name])
            top += _TITLE
            axes = _picture(figure, layout, (0, top), height, ["LR"])
            axes.imshow(image.lr, aspect="auto", interpolation="nearest")
            for network in image.networks:
                shown = _draw_row(figure, layout, network, top, height)
                top += layout.row_height(network, height)
        left = layout.left(1 + layout.per_row)
        bar = add_box(figure, left, _MARGIN + _TITLE, 0.1, heights[0])
        figure.colorbar(shown, cax=bar, ticks=[-2, -1, 0, 1, 2])
        bar.tick_params(width=0.5, length=2, pad=1.5)
        add_lines(figure, left, _MARGIN + _TITLE - LINE - 0.02, ["deviations"])
        add_lines(figure, _MARGIN, top, below)
    return figure


def _picture(figure: "Figure", layout: _Layout, place: tuple[int, float], height: float, label: list[str]) -> Any:
    """Empty axes in a column, from so far down, with lines below them."""
    column, top = place
    axes = add_box(figure, layout.left(column), top, layout.width, height)
    axes.set(xticks=[], yticks=[])
    add_lines(figure, layout.left(column) + layout.width / 2, top + height + 0.03, label, ha="center")
    return axes


def _draw_row(figure: "Figure", layout: _Layout, network: NetworkMaps, top: float, height: float) -> Any:
    """Draw the maps of a network and write beside them; returns one of the maps, for its colour scale."""
    name, words = _described(network)
    add_lines(figure, _MARGIN, top, name, fontweight="bold")
    add_lines(figure, _MARGIN, top + len(name) * LINE, words)
    centred = network.maps - network.maps.mean(axis=(1, 2), keepdims=True)
    deviations = centred.std(axis=(1, 2))
    of_all = max(float(np.sqrt((deviations**2).mean())), _FLAT)
    scale = {"vmin": -_REACH, "vmax": _REACH, "cmap": COLOUR_MAP, "interpolation": "bilinear", "aspect": "auto"}
    for unit, (cosines, deviation) in enumerate(zip(centred, deviations, strict=True)):
        row, column = divmod(unit, layout.per_row)
        place = (1 + column, top + row * (height + 2 * LINE + _GAP))
        axes = _picture(figure, layout, place, height, [f"unit {unit + 1}", f"{deviation:.3f}"])
        shown = axes.imshow(cosines / of_all, **scale)
    return shown


def compare_maps(records: Sequence[EvaluationRecord], *, images: Sequence[str] | None = None) -> "Figure":
    """Draw the maps of several guided networks under one another.

    Args:
        records: Their evaluations, of the same images; the numbers of units may differ.
        images: Names; ``None`` for the one whose maps vary most.

    Returns:
        The figure.

    Raises:
        ConfigError: If an image is not known, or the evaluations are of different images.
        DataError: If maps or LR images are not there, or cannot be read.
        DependencyError: If matplotlib is missing.
    """
    for record in records[1:]:
        check_comparable(records[0], record)
    rows = [_rows(record) for record in records]
    common = _common(records, rows)
    names = (
        [_most_varied(common, rows)] if images is None else [_wanted(name, records, rows, common) for name in images]
    )
    found = [recorded_statistics(record) for record in records]
    compared = [_load(name, records, rows, found) for name in names]
    first = records[0]
    sentences = [
        f"{first.dataset}, ×{first.scale}.",
        f"{WHAT_MAPS_ARE}; minus its mean over the image, in deviations of all of a network's maps in that image. "
        "Below each map its own deviation.",
        f"Beside each network: correlation of the maps of two units over the patches (mean, and least, over pairs and "
        f"{len(first.images)} images) and deviation within an image (mean over units and images).",
    ]
    if images is None:
        sentences.append("Image: the one whose maps vary most.")
    random = names_of_random([(record.method, record.provenance.get("vlm")) for record in records])
    if random:
        sentences.insert(0, f"{random} Their maps carry no semantic knowledge.")
    return draw_compared_maps(compared, caption=" ".join(sentences))
