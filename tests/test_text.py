import csv
import io
import unicodedata

import pytest

from segsr_arch.errors import DataError
from segsr_arch.text import (
    composed,
    csv_cell,
    decode,
    duration,
    listed_name,
    printable,
    read_lines,
    read_text,
)

NAMES = ["forêt_1", "海滩/海滩_2", "пляж-3", "beach/beach 4"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_list_is_the_same_in_every_encoding_and_with_every_line_end(tmp_path, encoding, end):
    (tmp_path / "list.txt").write_bytes((end.join(NAMES) + end).encode(encoding))
    assert read_lines(tmp_path / "list.txt", "a list") == NAMES


def test_utf_16_with_a_big_endian_mark():
    assert decode(b"\xfe\xff" + "forêt".encode("utf-16-be")) == "forêt"


def test_lines_are_cut_at_line_ends_alone(tmp_path):
    (tmp_path / "list.txt").write_text("a\x0cb\n\nc\u2028d\x85e", encoding="utf-8")
    assert read_lines(tmp_path / "list.txt", "a list") == ["a\x0cb", "", "c\u2028d\x85e"]
    (tmp_path / "empty.txt").write_bytes(b"")
    assert read_lines(tmp_path / "empty.txt", "a list") == []


def test_what_is_no_text_is_named_with_the_remedy(tmp_path):
    (tmp_path / "latin.txt").write_bytes("forêt\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.txt: cannot be read as a list: neither UTF-8 nor UTF-16 .*as UTF-8"):
        read_text(tmp_path / "latin.txt", "a list")
    (tmp_path / "odd.txt").write_bytes(b"\xff\xfea\0b")
    with pytest.raises(DataError, match=r"odd\.txt: cannot be read as a list"):
        read_text(tmp_path / "odd.txt", "a list")
    with pytest.raises(DataError, match=r"none\.txt: cannot be read as a list \(No such file"):
        read_text(tmp_path / "none.txt", "a list")
    with pytest.raises(DataError, match="cannot be read as a list"):
        read_text(tmp_path, "a list")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\r\nb\tc\x7f", r"a\r\nb\tc\x7f"),
        ("a\u202egnp.exe", r"a\u202egnp.exe"),
        ("a\u2028b\x9bc", r"a\u2028b\x9bc"),
        ("caf\udce9", r"caf\udce9"),
        ("海滩 forêt क्षेत्र پلاژ‌ها", "海滩 forêt क्षेत्र پلاژ‌ها"),
    ],
)
def test_what_would_act_is_shown_and_letters_stay(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


def test_lines_stay_lines_where_they_are_meant():
    assert printable("a\n\tb\x07", keep="\n\t") == "a\n\tb\\x07"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ('=HYPERLINK("x")', '\'=HYPERLINK("x")'),
        ("+1", "+1"),
        ("-0.25 0.5 -1.5e-05", "-0.25 0.5 -1.5e-05"),
        ("-1 cmd", "'-1 cmd"),
        ("-", "'-"),
        ("-1+1|cmd", "'-1+1|cmd"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("＝1", "'＝1"),
        ("\t=1", "\\t=1"),
        ("a\nb", "a\\nb"),
        ("forest-1=2", "forest-1=2"),
        ("", ""),
        (-1.5, -1.5),
        (None, None),
    ],
)
def test_cells_are_neither_formulas_nor_several_lines(value, cell):
    assert csv_cell(value) == cell
    text = io.StringIO()
    csv.writer(text).writerow([csv_cell(value)])
    assert len(text.getvalue().splitlines()) == 1


def test_names_are_compared_composed():
    decomposed = unicodedata.normalize("NFD", "forêt")
    assert decomposed != "forêt" and composed(decomposed) == composed("forêt") == "forêt"


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("beach\\beach01", "beach/beach01"),
        ("  ./beach/beach01 ", "beach/beach01"),
        (unicodedata.normalize("NFD", "forêt"), "forêt"),
        ("beach/a\x07b\nc", "beach/a%07b%0Ac"),
        ("caf\udce9\u202e", "caf%E9%u202E"),
        ("land\\new\\river\\town1", "land/new/river/town1"),
        ("tiles\\x10_y20", "tiles/x10_y20"),
        ("#1", "#1"),
    ],
)
def test_listed_names_are_found_again_from_their_line(name, listed):
    assert listed_name(name) == listed
    assert listed_name(listed) == listed


def test_durations():
    assert [duration(seconds) for seconds in (0, 59.6, 3599.4, 100 * 3600.0)] == [
        "0:00:00",
        "0:01:00",
        "0:59:59",
        "100:00:00",
    ]
