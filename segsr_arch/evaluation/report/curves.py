"""Validation values over iterations: matplotlib's curves inside the page, which gives them their colours."""

import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from markupsafe import Markup

from segsr_arch.evaluation.figures.curves_figure import Series, draw_lines
from segsr_arch.evaluation.figures.plots import add_below, fit_plots, new_plots
from segsr_arch.evaluation.figures.style import COLOURS, figure_style
from segsr_arch.evaluation.figures.validation_curves import Curve
from segsr_arch.results.record import Column, EvaluationRecord
from segsr_arch.results.tables import Cell, Table, typeset_number

_WIDTH, _PLOT_HEIGHT = 4.3, 1.8  # inches
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
# The page has variables for its colours, which differ on dark screens and on paper.
_VARIABLES = {colour.lower(): f"var(--s{number})" for number, colour in enumerate(COLOURS)}
_VARIABLES |= {"#ffffff": "var(--paper)", "#d9d9d9": "var(--line)", "black": "var(--ink)", "#000000": "var(--ink)"}


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One column of one data set over iterations.

    Attributes:
        title: The column and the data set.
        svg: The picture.
        table: The same values as numbers.
    """

    title: str
    svg: Markup
    table: Table


def _draw(title: str, column: Column, curves: Sequence[Curve]) -> str:
    """Draw curves as SVG: curve number n is in the group ``curve-n``; the same curves give the same text."""
    import matplotlib

    series = [Series(name=curve.name, curves=(curve,)) for curve in curves]
    with figure_style(), matplotlib.rc_context({"svg.hashsalt": title}):  # identifiers differ from chart to chart
        figure, (axes,) = new_plots(width=_WIDTH)
        entries = draw_lines(axes, series, markers=None)
        for number, line in enumerate(axes.lines):
            line.set_gid(f"curve-{number}")
        axes.set_ylabel(column.title)
        fit_plots(figure, axes, height=_PLOT_HEIGHT, below=add_below(figure, entries=entries))
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return drawn.getvalue()


def _for_page(svg: str, *, label: str, texts: Sequence[Sequence[str]]) -> Markup:
    """Make matplotlib's SVG an element of a page whose policy forbids styles in attributes.

    Args:
        svg: Curve number n is in the group ``curve-n``.
        label: What those hear who do not see it.
        texts: What is said of each marker of each curve.
    """
    root = ElementTree.fromstring(svg)
    for number, of_curve in enumerate(texts):
        marks = root.findall(f".//{_SVG}g[@id='curve-{number}']//{_SVG}use")
        for mark, text in zip(marks, of_curve, strict=True):
            ElementTree.SubElement(mark, f"{_SVG}title").text = text
    used = set(re.findall(r"#(\w+)", svg))
    for parent in root.iter():
        for child in list(parent):
            if child.tag in (f"{_SVG}style", f"{_SVG}metadata"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        for declaration in filter(str.strip, element.attrib.pop("style", "").split(";")):
            name, value = (part.strip() for part in declaration.split(":", 1))
            if name == "font":  # of matplotlib before 3.9: the size, then the families
                name, value = "font-size", value.split()[0]
            element.set(name, _VARIABLES.get(value.lower(), value))
        if element.get("id", "") not in used:
            element.attrib.pop("id", None)
        if _LINK in element.attrib:
            element.set("href", element.attrib.pop(_LINK))
        element.attrib.pop("font-family", None)  # that of the page
    for name in ("width", "height", "version"):
        del root.attrib[name]
    root.attrib |= {"role": "img", "aria-label": label}
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _chart(title: str, column: Column, values: dict[str, dict[int, float]]) -> Chart | None:
    """Draw one column: ``values`` by method and iteration."""
    finite = {
        method: {i: value for i, value in sorted(of_method.items()) if math.isfinite(value)}
        for method, of_method in values.items()
    }
    if not any(finite.values()):
        return None
    curves = [
        Curve(name=method, dataset="", scale=None, column=column, points=points, n=None)
        for method, points in finite.items()
        if points
    ]
    texts = [
        [f"{curve.name} at {i}: {typeset_number(value, column.decimals)}" for i, value in curve.points.items()]
        for curve in curves
    ]
    rows = tuple(
        (
            Cell(value=iteration),
            *(Cell(value=of_method.get(iteration), decimals=column.decimals) for of_method in values.values()),
        )
        for iteration in sorted({iteration for of_method in values.values() for iteration in of_method})
    )
    return Chart(
        title=title,
        svg=_for_page(
            _draw(title, column, curves),
            label=f"{title} over iterations; the values are in the table below",
            texts=texts,
        ),
        table=Table(caption=title, headers=("Iteration", *values), rows=rows),
    )


def draw_charts(validations: Sequence[EvaluationRecord]) -> list[Chart]:
    """Draw every column of every data set over the iterations.

    Args:
        validations: Records with an iteration, in any order.

    Returns:
        The charts; none for a column without a finite value.
    """
    found: dict[tuple[str, int, Column], dict[str, dict[int, float]]] = {}
    for record in validations:
        for column in record.columns:
            if column.name in record.summary:
                known = (key[2] for key in found if key[:2] == (record.dataset, record.scale))
                figure = next((each for each in known if each.is_same_figure(column)), column)
                values = found.setdefault((record.dataset, record.scale, figure), {})
                values.setdefault(record.method, {})[record.iteration] = record.summary[column.name].mean
    titles = {key: f"{key[2].title}, {key[0]}, x{key[1]}" for key in found}
    times = Counter(titles.values())
    for (dataset, scale, column), title in list(titles.items()):
        if times[title] > 1:  # measured in several ways
            titles[dataset, scale, column] = f"{title}, {column.backend}"
    charts = (_chart(titles[key], key[2], values) for key, values in found.items())
    return [chart for chart in charts if chart is not None]
