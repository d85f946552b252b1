"""Images of others whose scale nobody has said: everything that needs no scale is there."""

from segsr_arch.cli.segsr import main
from tests.support import make_image, write_image


def test_a_report_with_figures_and_pictures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for index in range(3):
        write_image(tmp_path / f"truth/{index}.png", make_image(index))
        write_image(tmp_path / f"one/{index}.png", make_image(index) // 2)
        write_image(tmp_path / f"other/{index}.png", make_image(index + 5))
    one, other = ["--sr", "one"], ["--sr", "other"]
    assert main(["evaluate", *one, "--gt", "truth", "--report", "--out", "alone"]) == 0
    assert not (tmp_path / "alone/figures").exists(), "there is nothing to compare the one method with"
    capsys.readouterr()
    assert main(["evaluate", *one, *other, "--gt", "truth", "--report"]) == 0
    output = capsys.readouterr().out
    assert "results/report.html (3 of 3 images embedded)" in output
    page = (tmp_path / "results/report.html").read_text("utf-8")
    assert "truth, scale unknown" in page and "xNone" not in page and page.count("data:image/webp") >= 6
    assert (tmp_path / "results/figures/compare_truth.png").is_file()
