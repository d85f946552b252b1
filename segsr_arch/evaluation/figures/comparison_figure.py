"""Methods side by side, a region enlarged (SeG-SR, figures 5 and 6)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.figures.choosing import choose_images, shown_columns
from segsr_arch.evaluation.figures.compared_images import BICUBIC, ComparedImage, Panel, load_comparison
from segsr_arch.evaluation.figures.regions import Region
from segsr_arch.evaluation.figures.style import (
    FRAME,
    LINE,
    WIDTH,
    add_box,
    add_lines,
    figure_style,
    names_of_random,
    new_figure,
    text_width,
    wrap,
)
from segsr_arch.results.record import Column, EvaluationRecord, scale_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARGIN = 0.03  # inches, as everything here
_GAP = 0.06
_BETWEEN = 0.12  # images
_MOST_COLUMNS = 6
_WIDEST_PANEL = 1.7
_HIGHEST_PANEL = 2.0
_LARGEST_LEFT = 0.5  # share of the width
_SEPARATOR = " / "


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Sizes of one image's block, in inches."""

    columns: int
    left_width: float
    left_height: float
    panel_width: float
    panel_height: float
    lines: tuple[int, ...]  # of labels, for each row of panels
    one_line: bool  # whether all figures of a panel stand in one

    def top(self, row: int) -> float:
        """Upper edge of a row of panels; of the row after the last, the height of all rows."""
        return row * (self.panel_height + _GAP) + sum(self.lines[:row]) * LINE

    def height(self, name_lines: int) -> float:
        return max(self.top(len(self.lines)), self.left_height + name_lines * LINE + _GAP)


def _fit_labels(
    image: ComparedImage, headings: Sequence[str], columns: int, width: float
) -> tuple[tuple[int, ...], bool]:
    """Lines below each row of panels of a width, and whether figures stand in one line."""
    widest = max(text_width(_SEPARATOR.join(panel.values), bold=any(panel.best)) for panel in image.panels)
    one_line = widest <= width + _GAP / 2
    lines = [
        len(wrap(panel.label, width)) + (min(len(panel.values), 1) if one_line else len(panel.values))
        for panel in image.panels
    ]
    lines[-1] = 1 + len(wrap(_SEPARATOR.join(headings), width))
    return tuple(max(lines[i : i + columns]) for i in range(0, len(lines), columns)), one_line


def _lay_out(image: ComparedImage, headings: Sequence[str]) -> _Layout:
    """Make the left picture as high as the rows of panels, as long as that leaves the panels room."""
    count = len(image.panels)
    columns = math.ceil(count / max(2, math.ceil(count / _MOST_COLUMNS)))
    rows = math.ceil(count / columns)
    ratio = image.region.height / image.region.width
    aspect = image.hr.shape[1] / image.hr.shape[0]
    width = WIDTH - 2 * _MARGIN - columns * _GAP
    widest = min(_WIDEST_PANEL, _HIGHEST_PANEL / ratio)
    lines = (2,) * rows
    for _ in range(3):  # labels break differently in narrower panels, and higher labels make panels narrower
        below = (rows - 1) * _GAP + sum(lines[:-1]) * LINE
        panel = min((width - below * aspect) / (columns + rows * ratio * aspect), widest)
        left = (rows * panel * ratio + below) * aspect
        if left > _LARGEST_LEFT * width or panel <= 0:
            left = _LARGEST_LEFT * width
            panel = min((width - left) / columns, widest)
        lines, one_line = _fit_labels(image, headings, columns, panel)
    return _Layout(
        columns=columns,
        left_width=left,
        left_height=left / aspect,
        panel_width=panel,
        panel_height=panel * ratio,
        lines=lines,
        one_line=one_line,
    )


def _draw_left(figure: "Figure", image: ComparedImage, layout: _Layout, top: float, name_lines: list[str]) -> None:
    from matplotlib.patches import Rectangle

    axes = add_box(figure, _MARGIN, top, layout.left_width, layout.left_height)
    height, width = image.hr.shape[:2]
    axes.imshow(image.hr, extent=(0, width, height, 0), aspect="auto", interpolation="antialiased")
    region = image.region
    for colour, line in (("white", 2.4), (FRAME, 1.2)):  # is seen on dark and on bright ground
        frame = ((region.x, region.y), region.width, region.height)
        axes.add_patch(Rectangle(*frame, fill=False, edgecolor=colour, linewidth=line))
    axes.set(xticks=[], yticks=[])
    middle = _MARGIN + layout.left_width / 2
    add_lines(figure, middle, top + layout.left_height + 0.03, name_lines, ha="center")


def _write_values(figure: "Figure", values: list[tuple[str, bool]], middle: float, top: float) -> None:
    """One line of figures, each bold or not, centred."""
    pieces = [(_SEPARATOR, False) if i % 2 else values[i // 2] for i in range(2 * len(values) - 1)]
    left = middle - sum(text_width(text, bold=bold) for text, bold in pieces) / 2
    for text, bold in pieces:
        add_lines(figure, left, top, [text], fontweight="bold" if bold else "normal")
        left += text_width(text, bold=bold)


def _draw_panel(
    figure: "Figure",
    image: ComparedImage,
    panel: Panel,
    headings: Sequence[str],
    place: tuple[float, float],
    size: _Layout,
) -> None:
    left, top = place
    axes = add_box(figure, left, top, size.panel_width, size.panel_height)
    height, width = image.hr.shape[:2]
    axes.imshow(panel.image, extent=(0, width, height, 0), aspect="auto", interpolation="nearest")
    region = image.region
    axes.set(xlim=(region.x, region.x + region.width), ylim=(region.y + region.height, region.y), xticks=[], yticks=[])
    middle, below = left + size.panel_width / 2, top + size.panel_height + 0.03
    lines = wrap(panel.label, size.panel_width)
    if panel is image.panels[-1]:
        lines += wrap(_SEPARATOR.join(headings), size.panel_width)
    add_lines(figure, middle, below, lines, ha="center")
    values = list(zip(panel.values, panel.best, strict=True))
    for i, line in enumerate([values] if size.one_line and values else [[value] for value in values]):
        _write_values(figure, line, middle, below + (len(lines) + i) * LINE)


def draw_comparison(images: Sequence[ComparedImage], *, headings: Sequence[str], caption: str) -> "Figure":
    """Draw images one below the other: HR with the region framed, then the region by every method, HR last.

    Args:
        images: At least one.
        headings: Names of the figures below the pictures, which stand below HR.
        caption: Text below.

    Returns:
        A figure 7.16 inches wide.

    Raises:
        DependencyError: If matplotlib is missing.
    """
    with figure_style():
        layouts = [_lay_out(image, headings) for image in images]
        names = [wrap(image.name, layout.left_width) for image, layout in zip(images, layouts, strict=True)]
        heights = [layout.height(len(name)) for layout, name in zip(layouts, names, strict=True)]
        below = wrap(caption, WIDTH - 2 * _MARGIN)
        total = _MARGIN + sum(heights) + _BETWEEN * len(images) + len(below) * LINE + _MARGIN
        figure = new_figure(total)
        top = _MARGIN
        for image, layout, name, height in zip(images, layouts, names, heights, strict=True):
            _draw_left(figure, image, layout, top, name)
            for i, panel in enumerate(image.panels):
                row, column = divmod(i, layout.columns)
                left = _MARGIN + layout.left_width + _GAP + column * (layout.panel_width + _GAP)
                _draw_panel(figure, image, panel, headings, (left, top + layout.top(row)), layout)
            top += height + _BETWEEN
        add_lines(figure, _MARGIN, top, below)
    return figure


def _heading(column: Column) -> str:
    return column.metric.upper() if column.metric in ("psnr", "ssim") else column.metric


def _caption(
    records: Sequence[EvaluationRecord],
    columns: Sequence[Column],
    images: Sequence[ComparedImage],
    *,
    chosen: str | None,
    automatic: bool,
) -> str:
    first = records[0]
    n = {len(record.images) for record in records}
    where = ", ".join(f"{image.name}: {image.region}" for image in images)
    how = ", where the methods' errors differ most" if automatic else ""
    sentences = [
        f"{first.dataset} (n = {' / '.join(map(str, sorted(n)))} images), {scale_title(first.scale, sign='×')}.",
        f"Values: {' / '.join(column.title for column in columns)}, each of the whole image; bold: the best.",
        f"Enlarged without smoothing: {where}{how}.",
    ]
    if any(panel.label == BICUBIC for image in images for panel in image.panels):
        sentences.append("Bicubic: MATLAB's, from the LR image.")
    sentences += [
        f"{record.method}: the first of {record.samples} samples; its values are means over them."
        for record in records
        if record.samples > 1
    ]
    random = names_of_random([(record.method, record.provenance.get("vlm")) for record in records])
    notes = [note for image in images for note in image.notes]
    return " ".join([*sentences, *([chosen] if chosen else []), *notes, *([random] if random else [])])


def compare_methods(
    records: Sequence[EvaluationRecord],
    *,
    images: Sequence[str] | None = None,
    regions: Sequence[Region | None] | None = None,
    column: str | None = None,
) -> "Figure":
    """Draw the comparison of evaluated methods.

    Args:
        records: Methods in the order of the pictures, on one data set.
        images: Names; ``None`` for two images on which the methods differ most.
        regions: One for all images or one for each; ``None`` (also in place of one) for where methods differ most.
        column: What stands below the pictures, with SSIM of the same protocol if it is a PSNR; ``None`` for the first
            PSNR.

    Returns:
        The figure.

    Raises:
        ConfigError: If methods were not evaluated alike, or an image, column or region is wrong.
        DataError: If images are not there or do not fit together.
        DependencyError: If matplotlib is missing.
    """
    scales = {record.method: record.scale for record in records}
    if len(set(scales.values())) > 1:
        listed = ", ".join(f"{method} {scale_title(scale)}" for method, scale in scales.items())
        raise ConfigError(f"Methods of different scales cannot be compared: {listed}.")
    columns = shown_columns(records, column)
    names, chosen = choose_images(records, columns[0], images)
    if regions is not None and len(regions) not in (1, len(names)):
        raise ConfigError(f"--region: {len(regions)} given for {len(names)} images; give one for all, or one for each.")
    wanted = [None] * len(names) if regions is None else list(regions) * (len(names) if len(regions) == 1 else 1)
    loaded = [
        load_comparison(records, name=name, columns=columns, region=region)
        for name, region in zip(names, wanted, strict=True)
    ]
    return draw_comparison(
        loaded,
        headings=[_heading(each) for each in columns],
        caption=_caption(records, columns, loaded, chosen=chosen, automatic=None in wanted),
    )
