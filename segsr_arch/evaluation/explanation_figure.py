"""An explanation as a picture: classes that drive each unit's map, and below them the terms nearest to it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from segsr_arch.evaluation.class_statistics import ClassStatistics
from segsr_arch.evaluation.explanation import SOURCES, Explanation
from segsr_arch.evaluation.explanation_files import Subject, class_label, likeness_note
from segsr_arch.evaluation.figures.style import LINE, WIDTH, add_box, figure_style, new_figure, text_width, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Lengths are in inches, and places are counted from the upper left corner.
_MARGIN = 0.08
_ROW = 0.165
_NARROWEST_COLUMN = 0.42
_WIDEST_COLUMN = 1.0
_MOST_CLASSES = 45
_TITLES = {"embedding": "localization embedding", "patches": "patches that the map selects"}
_ETA = "share of variance, η²"


class _Sheet:
    """The page below everything: text and lines at places in inches."""

    def __init__(self, figure: "Figure") -> None:
        self.width, self.height = (float(length) for length in figure.get_size_inches())
        self.axes = add_box(figure, 0, 0, self.width, self.height)
        self.axes.set(xlim=(0, self.width), ylim=(self.height, 0))
        self.axes.axis("off")

    def text(self, x: float, y: float, text: str, **options: Any) -> None:
        self.axes.text(x, y, text, **{"va": "center", **options})

    def line(self, y: float) -> None:
        self.axes.plot((_MARGIN, self.width - _MARGIN), (y, y), color="0.6", linewidth=0.5)


def _shown_classes(statistics: ClassStatistics) -> np.ndarray:
    """Indices of the classes to draw: all, or of very many those whose maps are furthest from the mean."""
    if len(statistics.names) <= _MOST_CLASSES:
        return np.arange(len(statistics.names))
    distance = np.abs(statistics.means - statistics.means.mean(axis=0)).max(axis=1)
    return np.sort(np.argsort(-distance, kind="stable")[:_MOST_CLASSES])


def _caption(statistics: ClassStatistics, shown: np.ndarray) -> str:
    if len(statistics.names) == 1:
        return "Mean of each unit's map (number of images)."
    caption = "Mean of each unit's map by class (number of images), minus its mean over all images."
    left_out = len(statistics.names) - len(shown)
    if left_out:
        caption += f" {left_out} classes nearer to the mean are left out."
    return caption + (
        f" η²: share of the variance over images that the class explains ({statistics.eta_squared_by_chance:.2f} by "
        "chance)."
    )


def _draw_heat_map(axes: "Axes", values: np.ndarray) -> None:
    # From dark blue to light yellow, even in lightness: it survives grey print and colour blindness.
    axes.imshow(values, cmap="cividis", aspect="auto")
    middle = (values.min() + values.max()) / 2
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value < middle else "black"
        axes.text(column, row, f"{value:+.3f}", ha="center", va="center", color=colour)
    for column in range(1, values.shape[1]):
        axes.axvline(column - 0.5, color="white", linewidth=1.5)
    axes.axis("off")


def _draw_terms(sheet: _Sheet, y: float, explanation: Explanation, top: int, *, meaningless: bool) -> None:
    """Write the nearest terms from a height ``y`` on."""
    style = {"color": "0.4", "fontstyle": "italic"} if meaningless else {}
    block = (sheet.width - 0.6) / 2
    left = {source: 0.6 + block * i for i, source in enumerate(SOURCES)}
    ends = (block - 0.65, block - 0.15)  # of the numbers, from the left of a block
    for source, x in left.items():
        sheet.text(x, y, _TITLES[source], fontweight="bold")
        sheet.text(x, y + LINE, "nearest terms")
        for end, head in zip(ends, ("cosine", "relative"), strict=True):
            sheet.text(x + end, y + LINE, head, ha="right")
    y += 2.1 * LINE
    for unit in range(explanation.num_units):
        sheet.line(y - 0.1 * LINE)
        sheet.text(_MARGIN, y + 0.6 * LINE, f"unit {unit + 1}", fontweight="bold")
        for source, x in left.items():
            for rank, near in enumerate(explanation.nearest(source, unit, top)):
                line = y + (rank + 0.6) * LINE
                lines = wrap(near.term, ends[0] - 0.45)
                sheet.text(x, line, lines[0] + ("…" if len(lines) > 1 else ""), **style)
                sheet.text(x + ends[0], line, f"{near.cosine:.3f}", ha="right", **style)
                sheet.text(x + ends[1], line, f"{near.relative:+.3f}", ha="right", **style)
        y += (min(top, len(explanation.terms)) + 0.5) * LINE


def draw_explanation(explanation: Explanation, *, subject: Subject, top: int) -> "Figure":
    """Draw the classes (heat map) above the nearest terms, as wide as a page; wider only for very many units.

    Args:
        explanation: The scores.
        subject: What was explained; a warning about it goes into the picture.
        top: How many terms a unit.

    Returns:
        A matplotlib figure.

    Raises:
        DependencyError: If matplotlib is missing.
    """
    with figure_style():
        return _draw(explanation, subject, top)


def _draw(explanation: Explanation, subject: Subject, top: int) -> "Figure":
    statistics = explanation.by_class
    shown = _shown_classes(statistics)
    several = len(statistics.names) > 1
    units = explanation.num_units
    overall = explanation.map_means.mean(axis=0)
    names = [f"{class_label(statistics.names[i])} ({statistics.counts[i]})" for i in shown]
    left = 2 * _MARGIN + max(map(text_width, [*names, _ETA]))
    width = max(WIDTH, left + _NARROWEST_COLUMN * units + _MARGIN)
    column = min(_WIDEST_COLUMN, (width - left - _MARGIN) / units)

    inner = width - 2 * _MARGIN
    title = wrap(f"What the units look at: {subject}", inner, bold=True)
    warning = wrap(subject.warning, inner - 0.4, bold=True) if subject.warning else []
    caption = wrap(_caption(statistics, shown), inner)
    note = likeness_note(explanation)
    notes = [line for text in (*([note] if note else []), *subject.notes) for line in wrap(text, inner)]

    y_warning = _MARGIN + (len(title) + 0.6) * LINE
    y_head = y_warning + (len(warning) + 1.6) * LINE if warning else y_warning
    y_map = y_head + (3.2 if several else 1.2) * LINE
    y_caption = y_map + _ROW * len(shown) + 0.4 * LINE
    y_terms = y_caption + (len(caption) + 1.4) * LINE
    y_notes = y_terms + (2.1 + units * (min(top, len(explanation.terms)) + 0.5) + 0.5) * LINE
    figure = new_figure(y_notes + (len(notes) + 0.3) * LINE, width=width)
    sheet = _Sheet(figure)
    sheet.text(_MARGIN, _MARGIN, "\n".join(title), va="top", fontweight="bold")
    if warning:
        box = {"facecolor": "#ffe680", "edgecolor": "black", "boxstyle": "square,pad=0.4", "linewidth": 1}
        middle = y_warning + (len(warning) + 0.6) / 2 * LINE
        sheet.text(width / 2, middle, "\n".join(warning), ha="center", fontweight="bold", bbox=box)
    heads = [("", [f"unit {unit + 1}" for unit in range(units)])]
    if several:
        heads.append(("mean over all images", [f"{value:+.3f}" for value in overall]))
        heads.append((_ETA, ["-" if np.isnan(value) else f"{value:.2f}" for value in statistics.eta_squared]))
    for row, (label, cells) in enumerate(heads):
        line = y_head + (row + 0.5) * LINE
        sheet.text(left - _MARGIN, line, label, ha="right")
        for unit, cell in enumerate(cells):
            sheet.text(left + (unit + 0.5) * column, line, cell, ha="center", fontweight="normal" if row else "bold")
    for row, name in enumerate(names):
        sheet.text(left - _MARGIN, y_map + (row + 0.5) * _ROW, name, ha="right")
    values = statistics.means[shown] - (overall if several else 0)
    _draw_heat_map(add_box(figure, left, y_map, column * units, _ROW * len(shown)), values)
    sheet.text(_MARGIN, y_caption, "\n".join(caption), va="top")
    _draw_terms(sheet, y_terms, explanation, top, meaningless=subject.identity.is_random)
    if notes:
        sheet.text(_MARGIN, y_notes, "\n".join(notes), va="top")
    return figure
