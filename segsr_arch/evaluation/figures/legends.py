"""Legends below a plot, whose height is known before the figure is made, however long the names are."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from segsr_arch.evaluation.figures.style import LINE, add_box, add_lines, text_width, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HANDLE, _PAD, _BETWEEN = 0.42, 0.08, 0.2  # inches
_MOST_COLUMNS = 5


class Legend:
    """Names with the lines or markers that stand for them, in columns.

    Args:
        entries: Each name with the options of its ``matplotlib.lines.Line2D``.
        width: In inches.
    """

    def __init__(self, entries: Sequence[tuple[str, Mapping[str, Any]]], *, width: float) -> None:
        widths = [text_width(name) + _HANDLE + _PAD + _BETWEEN for name, _ in entries]
        self._steps = [width]
        for columns in range(2, min(len(entries), _MOST_COLUMNS) + 1):
            steps = [max(widths[i::columns]) for i in range(columns)]
            if sum(steps) <= width + _BETWEEN:
                self._steps = steps
        wrapped = [(wrap(name, width - _HANDLE - _PAD), handle) for name, handle in entries]
        rows = [wrapped[i : i + len(self._steps)] for i in range(0, len(entries), len(self._steps))]
        self._rows = [(row, max(len(lines) for lines, _ in row) * LINE + 0.02) for row in rows]

    @property
    def height(self) -> float:
        """In inches; 0 without entries."""
        return sum(height for _, height in self._rows) + (0.06 if self._rows else 0.0)

    def draw(self, figure: "Figure", *, left: float, top: float) -> None:
        """Draw it with its upper left corner at a place in inches, counted from that of the figure."""
        from matplotlib.lines import Line2D

        for row, height in self._rows:
            for i, (lines, handle) in enumerate(row):
                start = left + sum(self._steps[:i])
                axes = add_box(figure, start, top, _HANDLE, LINE)
                axes.set(xlim=(0, 1), ylim=(0, 1))
                axes.axis("off")
                x = [0, 0.5, 1] if handle.get("linestyle") != "none" else [0.5]
                axes.add_line(Line2D(x, [0.5] * len(x), **{**handle, "markevery": [len(x) // 2]}))
                add_lines(figure, start + _HANDLE + _PAD, top + 0.01, lines)
            top += height
