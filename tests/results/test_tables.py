import math

import pytest

from segsr_arch.results.record import Column
from segsr_arch.results.statistics import Mean
from segsr_arch.results.tables import (
    Cell,
    Table,
    mark_best,
    mean_cell,
    plain_number,
    to_latex,
    to_markdown,
    to_text,
    typeset_number,
)

HIGHER = Column(name="psnr", metric="psnr", decimals=1)
TABLE = Table(
    headers=("method", "value, %", "pixels"),
    rows=(
        (Cell(value="a_b"), Cell(value=-27.345, decimals=1, std=0.26), Cell(value=12, written="3 × 4")),
        (Cell(value="c"), Cell(value=27.0, decimals=1, interval=(-1.0, 2.0), note=" of 3", best=True), Cell()),
    ),
    foot=((Cell(value="mean"), Cell(value=math.inf, decimals=1), Cell(value=8)),),
)


@pytest.mark.parametrize(
    ("value", "decimals", "signed", "plain", "typeset"),
    [
        (27.345, 1, False, "27.3", "27.3"),
        (-1.5, 2, True, "-1.50", "−1.50"),
        (1.5, 2, True, "+1.50", "+1.50"),
        (-0.001, 2, False, "-0.00", "0.00"),
        (math.inf, 2, False, "inf", "∞"),
        (-math.inf, 2, False, "-inf", "−∞"),
        (math.nan, 2, False, "-", "–"),
        (None, 2, False, "-", "–"),
    ],
)
def test_numbers_as_text(value, decimals, signed, plain, typeset):
    assert plain_number(value, decimals, signed=signed) == plain
    assert typeset_number(value, decimals, signed=signed) == typeset


@pytest.mark.parametrize(("value", "key"), [(None, ""), (1.5, "1.5"), (math.inf, "Infinity"), ("word", "word")])
def test_values_to_sort_by(value, key):
    assert Cell(value=value).key == key


def test_a_terminal_gets_aligned_columns():
    assert to_text(TABLE).splitlines() == [
        "method               value, %  pixels",
        "-------------------------------------",
        "a_b               -27.3 ± 0.3   3 × 4",
        "c       27.0 [-1.0, 2.0] of 3       -",
        "mean                      inf       8",
    ]
    assert to_text(TABLE, rule="").splitlines()[1].startswith("a_b")


def test_markdown_has_the_best_in_bold_and_numbers_to_the_right():
    assert to_markdown(TABLE).splitlines() == [
        "| method | value, % | pixels |",
        "|---|---:|---:|",
        "| a_b | -27.3 ± 0.3 | 3 × 4 |",
        "| c | **27.0 [-1.0, 2.0] of 3** | - |",
        "| mean | inf | 8 |",
    ]


def test_latex_is_escaped_and_ruled():
    assert to_latex(TABLE).splitlines() == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"method & value, \% & pixels \\",
        r"\midrule",
        r"a\_b & $-$27.3 $\pm$ 0.3 & 3 $\times$ 4 \\",
        r"c & \textbf{27.0 [$-$1.0, 2.0] of 3} & -- \\",
        r"\midrule",
        r"mean & $\infty$ & 8 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_csv_gets_values_that_are_not_rounded():
    assert TABLE.values == [["a_b", -27.345, 12], ["c", 27.0, None], ["mean", math.inf, 8]]
    assert TABLE.holds_text == (True, False, False)


def test_rows_of_another_length_are_refused():
    with pytest.raises(ValueError):
        to_text(Table(headers=("a", "b"), rows=((Cell(value="x"),),)))


def test_the_best_is_what_is_printed_as_the_best():
    cells = [Cell(value=value, decimals=1) for value in (1.04, 1.0, 0.9)]
    assert [cell.best for cell in mark_best([*cells, Cell()], HIGHER)] == [True, True, False, False]
    lower = Column(name="lpips", metric="lpips", better="lower", decimals=1)
    assert [cell.best for cell in mark_best(cells, lower)] == [False, False, True]
    assert not mark_best([cells[0], Cell()], HIGHER)[0].best  # better than nothing


def test_means_carry_their_interval():
    assert mean_cell(Mean(mean=1.5, low=1.0, high=2.0, n=3), 1, signed=True).plain == "+1.5 [+1.0, +2.0]"
    assert mean_cell(Mean(mean=1.5, low=None, high=None, n=1), 1).plain == "1.5"
    assert mean_cell(None, 1).plain == "-"
