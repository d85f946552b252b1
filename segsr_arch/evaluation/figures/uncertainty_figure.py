"""An image, its error and its uncertainty side by side, and what leaving out uncertain pixels leaves of the error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from segsr_arch.evaluation.figures.plots import MARGIN, add_below
from segsr_arch.evaluation.figures.style import (
    FONT_SIZE,
    LINE,
    WIDTH,
    add_box,
    add_lines,
    figure_style,
    looks,
    new_figure,
)
from segsr_arch.evaluation.sparsification import SHARES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOUR_MAP = "viridis"
_GAP = 0.08  # inches, as all lengths here
_SIDE = 1.25  # of a picture
_AXES = 0.45  # room for the ticks and the title of an axis


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """One picture.

    Attributes:
        title: What stands above.
        image: (H, W, 3) uint8, or (H, W) of any values, drawn in colours.
        largest: The value that has the last colour, and from which on all have; ``None`` for an image.
    """

    title: str
    image: np.ndarray
    largest: float | None = None


def draw_uncertainty(
    panels: Sequence[Panel], curves: Mapping[str, np.ndarray], oracle: np.ndarray, *, caption: str
) -> "Figure":
    """Draw pictures in a row, and beside them the curves.

    Args:
        panels: The pictures.
        curves: For the name of each kind of uncertainty, what is left of the error for each share of
            :data:`segsr_arch.evaluation.sparsification.SHARES`.
        oracle: The same for leaving out the largest errors.
        caption: What stands below.
    """
    with figure_style():
        pictures = len(panels) * (_SIDE + _GAP)
        top = MARGIN + LINE
        figure = new_figure(4.0)
        styles = [{"color": look.colour, "linestyle": look.line} for look in looks(len(curves))]
        entries = list(zip(curves, styles, strict=True))
        entries.append(("largest errors first (best possible)", {"color": "black", "linewidth": 0.8}))
        entries.append(("at random", {"color": "0.6", "linewidth": 0.8}))
        below = add_below(figure, entries=entries, caption=caption)
        figure.set_figheight(top + _SIDE + _AXES + below)
        for place, panel in enumerate(panels):
            left = MARGIN + place * (_SIDE + _GAP)
            add_lines(figure, left, MARGIN, [panel.title])
            axes = add_box(figure, left, top, _SIDE, _SIDE)
            if panel.largest is None:
                axes.imshow(panel.image)
            else:
                axes.imshow(panel.image, cmap=_COLOUR_MAP, vmin=0, vmax=panel.largest)
            axes.set_axis_off()
        axes = add_box(figure, MARGIN + pictures + _AXES, top, WIDTH - pictures - _AXES - 3 * MARGIN, _SIDE)
        for values, (_, look) in zip(curves.values(), entries, strict=False):
            axes.plot(100 * SHARES, values, **look)
        axes.plot(100 * SHARES, oracle, **entries[-2][1])
        axes.axhline(1, **entries[-1][1])
        axes.grid(visible=True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set(xlim=(0, 100), ylim=(0, 1.05), xlabel="pixels left out, %", ylabel="error of the rest")
        axes.tick_params(pad=FONT_SIZE / 4)
        return figure
