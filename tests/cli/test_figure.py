import builtins

import cv2
import pytest

from segsr_arch.cli import segsr
from segsr_arch.errors import ConfigError, DependencyError
from tests.evaluation.figures.records import a_cost, write_evaluation


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A working folder with two evaluated methods and a training."""
    monkeypatch.chdir(tmp_path)
    write_evaluation(tmp_path / "results", "A", 2.0, cost=a_cost(), names=["farm01", "river01"])
    write_evaluation(tmp_path / "results", "SeG", 1.0, cost=a_cost(parameters=7), units=2, names=["farm01", "river01"])
    write_evaluation(tmp_path / "guided", "G2", 1.0, units=3, names=["farm01", "river01"])
    write_evaluation(tmp_path / "bare", "G3", 1.0, units=3, with_sr=False)
    for iteration in (100, 200):
        write_evaluation(tmp_path / "experiments", "run", 1.0, iteration=iteration, names=["farm01"])
    return tmp_path


def run(*arguments):
    return segsr.run(segsr.build_parser().parse_args(["figure", *map(str, arguments)]))


@pytest.mark.parametrize(
    ("arguments", "stem"),
    [
        (["compare", "results"], "figures/compare_Set"),
        (["compare", "results/A", "results/SeG", "--image", "farm01", "--out", "my.fig.pdf"], "my.fig"),
        (["maps", "results/SeG", "--no-overlay"], "figures/maps_SeG_Set"),
        (["maps", "bare"], "figures/maps_G3_Set"),  # the LR image and the maps alone
        (["maps", "results/SeG", "--out", "out/maps"], "out/maps"),
        (["maps", "results/SeG", "guided", "--names", "paper", "improved"], "figures/maps_Set"),
        (["curves", "experiments/run", "--group", "g=experiments/run,experiments/run"], "figures/curves_Set"),
        (["tradeoff", "results"], "figures/tradeoff_Set"),
    ],
)
def test_each_kind_writes_png_and_pdf_and_prints_the_paths(work, capsys, arguments, stem):
    assert run(*arguments) == 0
    assert capsys.readouterr().out.split() == [f"{stem}.png", f"{stem}.pdf"]
    assert cv2.imread(str(work / f"{stem}.png")).shape[1] > 600
    assert (work / f"{stem}.pdf").read_bytes().startswith(b"%PDF")
    assert not list(work.rglob("*.partial"))


def test_regions_are_read(work):
    arguments = ["compare", "results", "--image", "farm01", "river01", "--out", "f"]
    assert run(*arguments, "--region", "8", "4", "20", "24", "--region", "auto") == 0
    for words in (["1", "2", "3"], ["1", "2", "3", "x"], ["here"]):
        with pytest.raises(ConfigError, match="four whole numbers"):
            run(*arguments, "--region", *words)
    with pytest.raises(ConfigError, match="does not lie in farm01"):
        run(*arguments, "--region", "50", "0", "20", "24")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["curves"], "at least one RUN"),
        (["curves", "--group", "experiments/run"], "expected NAME=RUN,RUN"),
        (["curves", "--group", "g=experiments/run", "--group", "g=experiments/run"], "given twice"),
        (["maps", "results/SeG", "guided", "--names", "paper"], r"as many names as there are .*\(SeG, G2\), got 1"),
        (["maps", "results/SeG", "guided", "--no-overlay"], "--no-overlay: are for the maps of one network"),
        (["maps", "bare", "--overlay"], "for the maps of one network whose SR images were kept; leave it out"),
        (["compare", "results", "--dataset", "Other"], "--dataset Other"),
    ],
)
def test_wrong_arguments_are_explained_and_nothing_is_written(work, arguments, message):
    with pytest.raises(ConfigError, match=message):
        run(*arguments)
    assert not (work / "figures").exists()


def test_without_matplotlib_the_command_says_how_to_get_it(work, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    for arguments in (
        ["compare", "results"],
        ["maps", "results/SeG"],
        ["curves", "experiments/run"],
        ["tradeoff", "results"],
    ):
        with pytest.raises(DependencyError, match="pip install matplotlib"):
            run(*arguments)


def test_published_points_cannot_be_drawn_against_another_figure(work):
    with pytest.raises(ConfigError, match="--points holds PSNR and costs, and cannot be drawn with --against"):
        run("tradeoff", "results", "--against", "ssim_y-crop", "--points", "points.csv")
    with pytest.raises(ConfigError, match="--against ssim_y-crop: was not computed in the same way"):
        run("tradeoff", "results", "--against", "ssim_y-crop")
