from dataclasses import replace

from segsr_arch.cli.segsr import main
from segsr_arch.results.writing import write_record
from tests.results.made import make_record

A = {"forest1": 30.0, "forest2": 32.0, "river1": 25.0}


def leave(folder, *records):
    for record in records:
        write_record(folder / record.method / "evaluation" / record.dataset, record)


def test_methods_of_known_and_unknown_scale_are_not_compared_and_that_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    leave(tmp_path / "results", make_record("a", psnr=A), make_record("b", psnr=A, scale=None))
    assert main(["compare", "results"]) == 1
    line = "made: b (scale unknown) not compared with the methods of x4. Evaluate again with --scale 4."
    assert line in capsys.readouterr().out.splitlines()


def test_methods_of_two_known_scales_are_two_tables(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    leave(tmp_path / "results", make_record("a", psnr=A), make_record("b", psnr=A, scale=2))
    assert main(["compare", "results"]) == 0
    assert "not compared" not in capsys.readouterr().out


def test_classes_are_compared_on_the_images_that_all_have_a_value_of(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    first, second = make_record("a", psnr=A), make_record("b", psnr=A)
    gap = tuple(row if row.name != "river1" else replace(row, values={}) for row in second.images)
    leave(tmp_path / "results", first, replace(second, images=gap))
    assert main(["compare", "results", "--out", "out"]) == 0
    out = capsys.readouterr().out
    assert "by class, over the 2 of 3 images that all have a value of" in out and "2 of 3 images" in out
    lines = (tmp_path / "out/comparison/made/classes_psnr_y-crop.csv").read_text().splitlines()
    assert lines[-1] == "mean,31.0,31.0"
