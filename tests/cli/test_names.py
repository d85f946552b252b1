"""Methods, data sets and images of any name: evaluated, found again, shown, and never written elsewhere."""

import csv
import json
import unicodedata

import cv2
import lmdb
import pytest

from segsr_arch.cli.segsr import main
from segsr_arch.evaluation.saved_evaluations import find_tests
from segsr_arch.files.names import folder_name_problem, folder_of, is_set_aside
from segsr_arch.results.reading import read_record
from segsr_arch.sources.image_names import image_name_problem
from tests.evaluation.figures.records import write_evaluation
from tests.evaluation.test_trained_network import write_test_options
from tests.support import make_image, write_image

ODD = [
    "HAT_partial",
    "..",
    ".",
    ".hidden",
    "con",
    "x" * 300,
    "海" * 100,
    "<script>alert(1)",
    "50 % = $x_1$",
]
ODD += ["run_archived_20260101_000000", "a\x1b[2Jb", "=1+1", "C:\\x", "forêt"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for index, name in enumerate(("forest01", "river01")):
        image = make_image(index, 32, 32)
        write_image(tmp_path / f"gt/{name}.png", image)
        write_image(tmp_path / f"sr/{name}.png", cv2.GaussianBlur(image, (0, 0), 1))
    return tmp_path


@pytest.mark.parametrize("name", ODD)
def test_folders_of_methods_are_plain_and_different(name):
    folder = folder_of(name)
    assert folder_name_problem(folder) is None and not is_set_aside(folder)
    assert len({folder_of(other) for other in ODD}) == len(ODD)
    assert folder_of(folder) == folder


def test_names_that_fit_are_their_own_folder():
    for name in ("HAT", "SeG-SR x4", "海滩", "con", "HAT_partial", "run_archived_2", "50 % = $x_1$"):
        assert folder_of(name) == name


def test_methods_of_any_name_are_evaluated_found_again_and_reported(here, capsys):
    methods = [argument for name in ODD for argument in ("--sr", f"{name}=sr") if "=" not in name]
    assert main(["evaluate", *methods, "--gt", "gt", "--scale", "4", "--metric", "psnr"]) == 0
    names = [name for name in ODD if "=" not in name]
    assert [path.name for path in here.iterdir()].count("results") == 1 and len(list(here.iterdir())) == 3
    assert sorted(record.method for record in find_tests(["results"]).values()) == sorted(names)
    assert {folder_of(name) for name in names} <= {path.name for path in (here / "results").iterdir()}
    assert main(["compare", "results"]) == 0
    output = capsys.readouterr()
    assert "\x1b" not in output.out + output.err and "a\\x1b[2Jb against" in output.out
    assert main(["report", "results", "--out", "report.html", "--images", "1"]) == 0
    page = (here / "report.html").read_text("utf-8")
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    with open(here / "results/comparison/gt/pairs.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 + len(names) * (len(names) - 1) // 2
    assert not any(character in cell for row in rows for cell in row for character in "\x1b\n")


def test_one_run_by_several_paths_is_compared_with_others_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_evaluation(tmp_path / "results", "A", 1.0)
    write_evaluation(tmp_path / "results", "B", 2.0)
    assert main(["compare", "results", "results/A", "results/../results/B"]) == 0
    out = capsys.readouterr().out
    assert "A against B" in out and "A against A" not in out and "B against B" not in out
    assert sum(line.startswith("A ") and "Set" in line for line in out.splitlines()) == 1
    assert main(["compare", "results/A", "results"]) == 0
    assert "A against A" not in capsys.readouterr().out


def test_two_runs_of_one_name_are_numbered_and_it_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for root, sigma in (("first", 1.0), ("second", 2.0)):
        write_evaluation(tmp_path / root, "A", sigma)
    assert main(["compare", "first", "second"]) == 0
    out = capsys.readouterr().out
    assert f"A (2) is that of {tmp_path}/second/A/evaluation/Set." in out and "A against A (2)" in out


@pytest.mark.slow
def test_a_record_cannot_name_a_place_to_write_to(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for method in "AB":
        folder = write_evaluation(tmp_path / "results", method, 1.0)
        content = json.loads((folder / "evaluation.json").read_text("utf-8"))
        (folder / "evaluation.json").write_text(json.dumps(content | {"dataset": "../../../victim"}), "utf-8")
    assert main(["compare", "results", "--out", "results/out"]) == 0
    assert main(["figure", "compare", "results"]) == 0
    assert not list(tmp_path.rglob("victim")) and not (tmp_path.parent / "victim").exists()
    assert len(list((tmp_path / "results/out/comparison").iterdir())) == 1
    assert len(list((tmp_path / "figures").iterdir())) == 2


@pytest.mark.parametrize("key", ["/tmp/segsr_outside", "../../../outside"])
def test_keys_that_are_paths_are_refused_by_every_command(tmp_path, monkeypatch, capsys, key):
    monkeypatch.chdir(tmp_path)
    options = write_test_options(tmp_path)
    image = cv2.imencode(".png", make_image(0, 32, 32))[1].tobytes()
    for side in ("gt", "lq"):
        folder = tmp_path / f"{side}.lmdb"
        folder.mkdir()
        with lmdb.open(str(folder), map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
            transaction.put(key.encode(), image)
        (folder / "meta_info.txt").write_text(f"{key}.png (32,32,3) 1\n")
    before = {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents}
    changes = ["datasets:test:dataroot_gt=gt.lmdb", "datasets:test:dataroot_lq=lq.lmdb"]
    changes += ["datasets:test:io_backend:type=lmdb"]
    assert main(["evaluate", "-opt", str(options), "--force_yml", *changes]) == 2
    assert f"gt.lmdb/meta_info.txt, line 1: the key '{key}' is a path out of its folder" in capsys.readouterr().err
    assert main(["evaluate", "--sr", "sr=gt.lmdb", "--gt", "gt.lmdb", "--scale", "4"]) == 2
    assert f"the key '{key}' is a path out of its folder" in capsys.readouterr().err
    assert {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents} == before


def test_images_of_any_name_are_matched_and_written_on_one_line(here):
    names = {"=1+1": "=1+1", "a\nb": "a\nb", "-x": "-x", unicodedata.normalize("NFD", "forêt1"): "forêt1"}
    for name in names:
        for side in ("gt", "sr"):
            write_image(here / side / f"{name}.png", make_image(5, 32, 32))
    assert main(["evaluate", "--sr", "sr", "--gt", "gt", "--scale", "4", "--metric", "psnr"]) == 0
    record = read_record(here / "results/sr/evaluation/gt")
    assert {row.name for row in record.images} == {"forest01", "river01", *names.values()}
    lines = (here / "results/sr/evaluation/gt/images.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + len(record.images)
    assert {line.split(",")[0] for line in lines} >= {"'=1+1", "a\\nb", "'-x", "forêt1"}


def test_names_of_images_below_a_folder():
    for name in ("a", "a/b", "海滩/海滩 1", "a.b", "..a"):
        assert image_name_problem(name) is None
    for name in ("", "/a", "a//b", "a/..", "./a", "a\\b", "a\nb", "x" * 251):
        assert image_name_problem(name) is not None
