"""Plots side by side with a legend and a caption below: as high as these make the figure, whatever the names are."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from segsr_arch.evaluation.figures.style import FONT_SIZE, LINE, WIDTH, new_figure, text_width, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN = 0.05  # inches, as all lengths here
_HANDLE, _PAD = 3.6, 0.8  # of a legend, in font sizes
_MOST_COLUMNS = 5

Entry = tuple[str, Mapping[str, Any]]
"""A name of a legend, with the options of its ``matplotlib.lines.Line2D``."""


def new_plots(count: int = 1, *, width: float = WIDTH) -> "tuple[Figure, list[Axes]]":
    """Start a figure with plots side by side, which share their vertical axis; matplotlib lays them out."""
    figure = new_figure(4.0, width=width, layout="constrained")
    plots = list(figure.subplots(1, count, sharey=True, squeeze=False)[0])
    for axes in plots:
        axes.grid(visible=True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, plots


def fit_plots(figure: "Figure", axes: "Axes", *, height: float, below: float = 0.0) -> tuple[float, float]:
    """Make a figure as high as its plots, all that belongs to their axes, and what stands below them.

    Args:
        figure: Of :func:`new_plots`; it is changed.
        axes: One of its plots.
        height: Of the plots without what belongs to their axes.
        below: Room that is left at the lower edge.

    Returns:
        Width and height of a plot.
    """
    for _ in range(2):  # the second time finds the height that the first one gave
        total = figure.get_figheight()
        figure.get_layout_engine().set(rect=(0, below / total, 1, 1 - below / total))
        figure.draw_without_rendering()
        figure.set_figheight(total + height - axes.get_position().height * total)
    return axes.get_position().width * figure.get_figwidth(), height


def add_below(figure: "Figure", *, entries: Sequence[Entry], caption: str = "") -> float:
    """Write a legend, and a caption below it, at the lower edge of a figure, whatever becomes of its height.

    Args:
        figure: It is changed.
        entries: Of the legend, in as many columns as there is room for; perhaps none.
        caption: Broken into lines; perhaps empty.

    Returns:
        The height that they take.
    """
    width, inches = figure.get_figwidth() - 2 * MARGIN, figure.dpi_scale_trans
    lines = wrap(caption, width) if caption else []
    for number, line in enumerate(reversed(lines)):
        base = MARGIN + number * LINE + 0.25 * FONT_SIZE / 72
        figure.text(MARGIN, base, line, transform=inches)
    taken = 1.5 * MARGIN + len(lines) * LINE
    for columns in range(min(len(entries), _MOST_COLUMNS), 0, -1):
        legend = _add_legend(figure, entries, columns, bbox_to_anchor=(MARGIN, taken), bbox_transform=inches)
        box = legend.get_window_extent(figure.canvas.get_renderer())
        if columns == 1 or box.width <= width * figure.dpi:
            return taken + box.height / figure.dpi
        legend.remove()
    return taken


def _add_legend(figure: "Figure", entries: Sequence[Entry], columns: int, **place: Any) -> Any:
    from matplotlib.lines import Line2D

    room = figure.get_figwidth() - 2 * MARGIN - (_HANDLE + _PAD) * FONT_SIZE / 72
    names = [name if text_width(name) <= room else "\n".join(wrap(name, room)) for name, _ in entries]
    return figure.legend(
        [Line2D([], [], **handle) for _, handle in entries],
        names,
        ncols=columns,
        loc="lower left",
        frameon=False,
        borderpad=0.3,
        borderaxespad=0,
        handlelength=_HANDLE,
        handletextpad=_PAD,
        labelspacing=0.3,
        **place,
    )
