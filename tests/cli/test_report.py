import pytest

from segsr_arch.cli import segsr
from segsr_arch.errors import SegsrError
from tests.evaluation.report.small_runs import RED, write_run

VALUES = {"beach01": 20.0, "beach02": 30.0, "river01": 25.0}


def run(*arguments):
    return segsr.run(segsr.build_parser().parse_args(["report", *map(str, arguments)]))


def test_writes_report_html_in_the_working_directory_and_says_so(tmp_path, monkeypatch, capsys):
    write_run(tmp_path / "results", "A", VALUES, colour=RED)
    monkeypatch.chdir(tmp_path)
    assert run("results/A", "--images", 2, "--title", "My table") == 0
    assert "<title>My table</title>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    said = capsys.readouterr()
    assert said.out.startswith("report.html: 0.")
    assert "2 of 3 images embedded (--images N for more)" in said.out
    assert said.err == ""


def test_missing_images_are_said_and_the_exit_code_stays_0(tmp_path, capsys):
    folder = write_run(tmp_path, "A", VALUES, colour=RED)
    (folder / "images" / "beach02.png").unlink()
    assert run(folder, "--out", tmp_path / "out.html") == 0
    said = capsys.readouterr()
    assert "warning: Small, x4: Image and map files that cannot be shown: 1." in said.err
    assert "beach02.png" in said.err
    assert "3 of 3 images embedded\n" in said.out


def test_an_unknown_figure_leaves_an_earlier_report_as_it_was(tmp_path):
    folder = write_run(tmp_path, "A", VALUES, colour=RED)
    out = tmp_path / "out.html"
    out.write_text("before", encoding="utf-8")
    with pytest.raises(SegsrError, match="--column nonsense"):
        run(folder, "--out", out, "--column", "nonsense")
    assert out.read_text(encoding="utf-8") == "before"
