import re
import zlib

import cv2
import matplotlib
import numpy as np
import pytest

from segsr_arch.errors import SaveError
from segsr_arch.evaluation.figures.style import (
    COLOURS,
    add_lines,
    figure_style,
    looks,
    names_of_random,
    new_figure,
    save_figure,
    text_width,
    wrap,
)


def drawn():
    with figure_style():
        figure = new_figure(1.0)
        add_lines(figure, 0.1, 0.1, ["A method's $name$"])
    return figure


def test_files_are_png_of_300_dpi_and_pdf_with_whole_fonts_and_do_not_change(tmp_path):
    png, pdf = save_figure(drawn(), tmp_path / "new" / "figure.v2")
    assert (png.name, pdf.name) == ("figure.v2.png", "figure.v2.pdf")
    assert cv2.imread(str(png)).shape == (300, 2148, 3)
    content = pdf.read_bytes()
    assert b"/FontFile2" in content and b"/Type3" not in content
    again = save_figure(drawn(), tmp_path / "again")
    assert again[0].read_bytes() == png.read_bytes()
    assert again[1].read_bytes() == content


def test_text_stays_text_in_the_pdf_and_dollars_are_no_formula(tmp_path):
    _, pdf = save_figure(drawn(), tmp_path / "figure")
    streams = re.findall(rb"stream\r?\n(.*?)endstream", pdf.read_bytes(), re.DOTALL)
    texts = b"".join(zlib.decompress(each) for each in streams if each[:1] == b"\x78")
    assert b" BT" in texts.replace(b"\n", b" ") and b"$" in texts


def test_settings_of_matplotlib_are_as_before_and_do_not_matter(tmp_path):
    reference = save_figure(drawn(), tmp_path / "a")[0].read_bytes()
    with matplotlib.rc_context({"font.size": 30, "figure.facecolor": "red", "savefig.dpi": 50}):
        before = dict(matplotlib.rcParams)
        assert save_figure(drawn(), tmp_path / "b")[0].read_bytes() == reference
        assert dict(matplotlib.rcParams) == before


def test_a_figure_that_cannot_be_written_leaves_the_old_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError, match="folder cannot be made"):
        save_figure(drawn(), tmp_path / "file" / "figure")
    png, pdf = save_figure(drawn(), tmp_path / "figure")
    before = png.read_bytes(), pdf.read_bytes()
    broken = drawn()
    broken.savefig = lambda *_, format, **__: 1 / (format != "pdf")
    with pytest.raises(ZeroDivisionError):
        save_figure(broken, tmp_path / "figure")
    assert (png.read_bytes(), pdf.read_bytes()) == before
    assert not list(tmp_path.glob(".*"))


def test_wrapped_text_fits_and_loses_nothing():
    text = "RCAN_with_a_rather_long_name of an experiment without-any-sense_" + "x" * 60
    lines = wrap(text, 0.8)
    assert max(map(text_width, lines)) <= 0.8
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert wrap("HAT", 0.8) == ["HAT"]
    assert wrap("one two", text_width("one t")) == ["one", "two"]


def test_looks_differ_for_70_methods_and_in_grey_by_more_than_colour():
    found = [(look.colour, look.marker) for look in looks(70)]
    assert len(set(found)) == 70
    assert len({look.marker for look in looks(10)}) == 10
    assert len({str(look.line) for look in looks(5)}) == 5


def test_colours_stand_out_from_white_paper():
    channels = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in COLOURS])
    assert (channels @ [0.299, 0.587, 0.114] < 190).all()


def test_random_weights_are_named():
    assert names_of_random([("HAT", None), ("A", "ViT with weights openai")]) is None
    labels = [("A", "openai"), ("B", "weights random(0)"), ("B", "random weights")]
    assert "RANDOM weights: B." in names_of_random(labels)
    assert names_of_random([("A", "ViT-B-32 with weights clip_random_crops.pt (digest abc)")]) is None
