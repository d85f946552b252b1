"""How all figures look: print width, type, colours and markers that colour-blind eyes and grey printers keep apart."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segsr_arch.errors import DependencyError, SaveError
from segsr_arch.files.atomic import atomic_write
from segsr_arch.results.provenance import is_random_vlm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 7.16  # inches: two columns of a page of IEEE's journals
FONT_SIZE = 7.0  # points, the least that is printed
LINE = FONT_SIZE * 1.3 / 72  # inches from line to line
DPI = 300

# Okabe and Ito, "Color Universal Design" (2008), without their yellow, which a white page swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#000000")
FRAME = "#D55E00"
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
_LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))

_SETTINGS = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so that a figure is the same on every machine
    "font.size": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "xtick.labelsize": FONT_SIZE,
    "ytick.labelsize": FONT_SIZE,
    "legend.fontsize": FONT_SIZE,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.4,
    "grid.color": "0.85",
    "axes.axisbelow": True,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "pdf.fonttype": 42,  # whole TrueType fonts, as publishers ask for; text stays text
    "text.parse_math": False,  # a method's name may hold dollar signs
    "savefig.facecolor": "white",
    "figure.facecolor": "white",
    "svg.fonttype": "none",
}


@dataclass(frozen=True, kw_only=True)
class Look:
    """How one method is drawn everywhere in a figure.

    Attributes:
        colour: As ``#rrggbb``.
        marker: matplotlib's sign of a marker.
        line: matplotlib's line style.
    """

    colour: str
    marker: str
    line: Any


def looks(count: int) -> list[Look]:
    """Give methods their looks, in order; up to 70 of them differ."""
    return [
        Look(
            colour=COLOURS[i % len(COLOURS)],
            marker=_MARKERS[i % len(_MARKERS)],
            line=_LINES[i % len(_LINES)],
        )
        for i in range(count)
    ]


@contextlib.contextmanager
def figure_style() -> Iterator[None]:
    """Let everything that is drawn in the block have the style; matplotlib's settings are afterwards as before.

    Raises:
        DependencyError: If matplotlib is missing.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise DependencyError("Figures need matplotlib: pip install matplotlib") from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever a matplotlibrc says
        matplotlib.rcParams.update(_SETTINGS)
        yield


def new_figure(height: float, *, width: float = WIDTH, layout: str | None = None) -> "Figure":
    """Start an empty figure without pyplot's state.

    Args:
        height: In inches.
        width: In inches.
        layout: One of matplotlib's layouts; ``None`` if everything is given its place.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def add_box(figure: "Figure", left: float, top: float, width: float, height: float, **options: Any) -> Any:
    """Add axes at a place in inches, counted from the upper left corner of the figure."""
    total_width, total_height = figure.get_size_inches()
    place = (left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height)
    return figure.add_axes(place, **options)


def add_lines(figure: "Figure", left: float, top: float, lines: Sequence[str], **options: Any) -> None:
    """Write lines of text at a place in inches, counted from the upper left corner, ``LINE`` inches apart."""
    total_width, total_height = figure.get_size_inches()
    for i, line in enumerate(lines):
        # By base lines, so that lines without descenders keep their distance.
        base = top + i * LINE + 0.8 * FONT_SIZE / 72
        figure.text(left / total_width, 1 - base / total_height, line, **{"va": "baseline", **options})


@lru_cache(maxsize=4096)
def text_width(text: str, *, bold: bool = False) -> float:
    """Width of one line of text at the size of figures, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    properties = FontProperties(family="DejaVu Sans", size=FONT_SIZE, weight="bold" if bold else "normal")
    return TextToPath().get_text_width_height_descent(text, properties, ismath=False)[0] / 72


def wrap(text: str, width: float, *, bold: bool = False) -> list[str]:
    """Break text into lines no wider than ``width`` inches: at spaces, else after ``_-/.``, else anywhere."""
    lines, rest = [], text.strip()
    while text_width(rest, bold=bold) > width and len(rest) > 1:
        fits = 1
        while fits < len(rest) and text_width(rest[: fits + 1], bold=bold) <= width:
            fits += 1
        space = rest.rfind(" ", 1, fits + 1)
        joint = max(rest.rfind(sign, 1, fits) for sign in "_-/.") + 1
        cut = space if space > 0 else (joint or fits)
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*lines, rest]


def save_figure(figure: "Figure", stem: str | Path) -> tuple[Path, Path]:
    """Write a figure as PNG (300 dpi) and as PDF (fonts embedded, text as text).

    Args:
        figure: As a ``draw_*`` function returns it.
        stem: Path without ending; its folder is made.

    Returns:
        Paths of the PNG and of the PDF file.

    Raises:
        SaveError: If one cannot be written; each of the two is then whole or as it was before.
    """
    stem = Path(stem)
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(f"{stem.parent}: the folder cannot be made ({error.strerror}).") from error
    paths = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.pdf")
    contents = io.BytesIO(), io.BytesIO()
    with figure_style():
        figure.savefig(contents[0], format="png", dpi=DPI)
        figure.savefig(contents[1], format="pdf", dpi=DPI, metadata={"CreationDate": None})  # the same bytes every time
    for path, content in zip(paths, contents, strict=True):
        with atomic_write(path) as file:
            file.write(content.getbuffer())
    return paths


def names_of_random(labels: Sequence[tuple[str, str | None]]) -> str | None:
    """Say which methods were guided by random weights.

    Args:
        labels: Name of each method, and its ``provenance["vlm"]``.

    Returns:
        A sentence, or ``None`` if no one was.
    """
    found = dict.fromkeys(name for name, vlm in labels if is_random_vlm(vlm))
    return f"Vision-language model with RANDOM weights: {', '.join(found)}." if found else None
