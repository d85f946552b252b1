"""Tables of values: what a cell is worth, and how it is written for a terminal, in Markdown, LaTeX, CSV and HTML.

There is one function for each way to write a table. That of HTML is the macro ``sortable`` of the report's page, which
takes :attr:`Cell.text`, :attr:`Cell.detail` and :attr:`Cell.key`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from segsr_arch.results.record import Column, EvaluationRecord
from segsr_arch.results.statistics import Mean

SPREAD_TEXT = "standard deviation over the samples of an image, mean over images"
"""What :func:`over_samples` gives."""

_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
_LATEX |= {"−": "$-$", "±": r"$\pm$", "×": r"$\times$", "∞": r"$\infty$", "–": "--"}


def plain_number(value: float | None, decimals: int = 0, *, signed: bool = False, missing: str = "-") -> str:
    """Write a number in ASCII; ``missing`` stands for what is not there or not a number."""
    if value is None or math.isnan(value):
        return missing
    return f"{value:{'+' if signed else ''}.{decimals}f}"


def typeset_number(value: float | None, decimals: int = 0, *, signed: bool = False) -> str:
    """Write a number with a true minus sign, which a rounded zero has not, and infinities as a sign."""
    text = plain_number(value, decimals, signed=signed, missing="–")
    if not text.strip("-0."):
        text = text.removeprefix("-")
    return text.replace("-", "−").replace("inf", "∞")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell.

    Attributes:
        value: A number or a word, by which the column is sorted; ``None`` if there is nothing.
        decimals: Digits behind the point of a number.
        signed: Whether positive numbers have a sign.
        written: What people read in place of the value.
        std: Standard deviation that is said behind a number.
        interval: Ends of an interval that is said behind a number.
        note: What is said behind these, with what separates it from them.
        best: Whether this is the best of its row or column.
    """

    value: float | str | None = None
    decimals: int = 0
    signed: bool = False
    written: str | None = None
    std: float | None = None
    interval: tuple[float, float] | None = None
    note: str = ""
    best: bool = False

    @property
    def plain(self) -> str:
        """All that it says, in one line, with numbers in ASCII."""
        return " ".join(filter(None, (self._main(plain_number), self._behind(plain_number))))

    @property
    def text(self) -> str:
        """The value alone, typeset."""
        return self._main(typeset_number)

    @property
    def detail(self) -> str:
        """What is said behind the value, typeset; empty if there is nothing."""
        return self._behind(typeset_number)

    def _main(self, number: Callable[..., str]) -> str:
        if self.written is not None:
            return self.written
        return self.value if isinstance(self.value, str) else number(self.value, self.decimals, signed=self.signed)

    def _behind(self, number: Callable[..., str]) -> str:
        std = "" if self.std is None else f"± {number(self.std, self.decimals)}"
        ends = (number(end, self.decimals, signed=self.signed) for end in self.interval or ())
        return f"{std}{'[{}, {}]'.format(*ends) if self.interval else ''}{self.note}".lstrip()

    @property
    def is_text(self) -> bool:
        """Whether this is a word and not a number."""
        return isinstance(self.value, str)

    @property
    def key(self) -> str:
        """The value as JavaScript's ``Number`` reads it; empty if there is none."""
        if isinstance(self.value, float) and math.isinf(self.value):
            return "Infinity" if self.value > 0 else "-Infinity"
        return "" if self.value is None else str(self.value)


def mean_cell(mean: Mean | None, decimals: int, *, signed: bool = False, note: str = "") -> Cell:
    """A mean over images with its interval."""
    if mean is None:
        return Cell()
    interval = None if mean.low is None or mean.high is None else (mean.low, mean.high)
    return Cell(value=float(mean.mean), decimals=decimals, signed=signed, interval=interval, note=note)


def over_samples(record: EvaluationRecord, column: Column) -> str:
    """The note of a mean of which a network drew several samples: their spread; else nothing."""
    spread = record.spreads.get(column.name)
    return "" if spread is None else f" ± {plain_number(spread, column.decimals)} over {record.samples} samples"


def mean_of_images(record: EvaluationRecord, column: Column) -> Cell:
    """A method's mean of a column, with the number of images where some have no value."""
    mean = record.summary.get(column.name)
    count = len(record.images)
    note = "" if mean is None or mean.n == count else f" {mean.n} of {count} images"
    return mean_cell(mean, column.decimals, note=over_samples(record, column) + note)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        headers: Titles of the columns.
        rows: The rows; one that is shorter or longer than the others is refused when it is written.
        foot: Rows that stay below them, such as means.
        caption: What it shows.
        left: Numbers of the columns that are aligned to the left, from 0.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    foot: tuple[tuple[Cell, ...], ...] = ()
    caption: str = ""
    left: tuple[int, ...] = (0,)

    @property
    def holds_text(self) -> tuple[bool, ...]:
        """For each column whether its values are words and not numbers."""
        return tuple(any(cell.is_text for cell in cells) for cells in zip(*self.rows, strict=True))

    @property
    def values(self) -> list[list[float | str | None]]:
        """What CSV holds of it: the values, unrounded."""
        return [[cell.value for cell in row] for row in (*self.rows, *self.foot)]

    def plain(self) -> list[list[str]]:
        """What a terminal and Markdown show of it."""
        return [[cell.plain for cell in row] for row in (*self.rows, *self.foot)]


def mark_best(cells: Sequence[Cell], column: Column) -> tuple[Cell, ...]:
    """Mark the best of some values of one column, as far as the printed digits tell.

    Args:
        cells: Numbers, or nothing.
        column: Whether higher or lower is better.

    Returns:
        The cells; none is marked if there is nothing to be better than.
    """
    known = [cell.value for cell in cells if isinstance(cell.value, (int, float))]
    if len(known) < 2:
        return tuple(cells)
    best = typeset_number(max(known) if column.better == "higher" else min(known), column.decimals)
    return tuple(replace(cell, best=cell.value is not None and cell.text == best) for cell in cells)


def to_text(table: Table, *, rule: str = "-") -> str:
    """Write a table for a terminal: aligned columns, and a line of ``rule`` below the headers."""
    rows = [list(table.headers), *table.plain()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            text.ljust(width) if number in table.left else text.rjust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    below = [rule * len(lines[0])] if rule else []
    return "\n".join(line.rstrip() for line in (lines[0], *below, *lines[1:]))


def to_markdown(table: Table) -> str:
    """Write a table in Markdown; the best are bold."""
    marks = ["---" if number in table.left else "---:" for number in range(len(table.headers))]
    rows = [[f"**{cell.plain}**" if cell.best else cell.plain for cell in row] for row in (*table.rows, *table.foot)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (table.headers, *rows)]
    return "\n".join([lines[0], "|" + "|".join(marks) + "|", *lines[1:]])


def to_latex(table: Table) -> str:
    """Write a table as LaTeX's ``tabular`` with the rules of booktabs; the best are bold."""

    def escaped(text: str) -> str:
        return "".join(_LATEX.get(sign, sign) for sign in text)

    def line(row: Sequence[Cell]) -> str:
        texts = (escaped(" ".join(filter(None, (cell.text, cell.detail)))) for cell in row)
        return " & ".join(rf"\textbf{{{text}}}" if cell.best else text for cell, text in zip(row, texts, strict=True))

    columns = "".join("l" if number in table.left else "r" for number in range(len(table.headers)))
    parts = [[" & ".join(map(escaped, table.headers))], map(line, table.rows), map(line, table.foot)]
    body = "\n\\midrule\n".join("\n".join(rf"{row} \\" for row in rows) for part in parts if (rows := list(part)))
    return f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"
