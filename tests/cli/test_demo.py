import re

import cv2
import pytest
import rasterio

from segsr_arch.cli import segsr
from segsr_arch.errors import SegsrError
from segsr_arch.running import steps


@pytest.fixture
def step(tmp_path, monkeypatch):
    """Function that makes a step of a module with this source; returns what it wrote into its log."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)

    def run(source):
        (tmp_path / "made_step.py").write_text(source)
        try:
            steps.run_step(tmp_path, "Train something", "made_step", "a b")
        finally:
            text = (tmp_path / "train.log").read_text()
        return text

    return run


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (4, 3), (64, 4)])
def test_threads_of_a_step_leave_a_core_and_wait_asleep(step, monkeypatch, cores, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(steps, "available_cores", lambda: cores)
    source = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['OMP_WAIT_POLICY'])"
    assert step(source) == f"{threads} PASSIVE\n"


def test_what_the_user_says_of_threads_counts_in_a_step(step, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert step("import os; print(os.environ['OMP_NUM_THREADS'], os.environ['OMP_WAIT_POLICY'])") == "7 ACTIVE\n"


def test_a_step_that_fails_names_its_log(step, tmp_path, capsys):
    with pytest.raises(SegsrError, match=rf"Train something failed with exit code 3; .* is in {tmp_path}/train\.log"):
        step("import sys; print('an Error that is shown'); print('the rest'); sys.exit(3)")
    said = capsys.readouterr().out
    assert "made_step 'a b'" in said and "  an Error that is shown" in said and "the rest" not in said


@pytest.mark.slow
def test_the_demo_beats_bicubic_and_leaves_pictures_to_look_at(tmp_path, capfd):
    folder = tmp_path / "demo"
    code = segsr.main(["demo", "--dir", str(folder)])
    said = capfd.readouterr().out
    assert code == 0, said
    assert "protocol y-crop" in said and "random weights" in said
    psnr = {name: float(value) for name, value in re.findall(r"^(bicubic|SeG-SR) +([\d.]+) +[\d.]+$", said, re.M)}
    assert psnr["SeG-SR"] >= psnr["bicubic"] + 0.5
    # The test loop of BasicSR came to the same figure.
    (logged,) = re.findall(r"# psnr: ([\d.]+)", (folder / "test.log").read_text())
    assert f"{float(logged):.2f}" == f"{psnr['SeG-SR']:.2f}"
    results = folder / "evaluation"
    for name in ("compare_DemoTest.png", "maps_demo_SeGSR_x4_DemoTest.png", "tradeoff_DemoTest.pdf"):
        assert (results / "figures" / name).stat().st_size > 10_000
    comparison = cv2.imread(str(results / "figures/compare_DemoTest.png"))
    assert comparison.shape[1] > 1500 and comparison.std() > 20
    assert (results / "report.html").is_file()
    assert str(results / "figures") in said and str(results / "report.html") in said
    assert len(list((results / "demo_SeGSR_x4/evaluation/DemoTest/sr").glob("*.png"))) == 20
    # The last step: a georeferenced raster, by the network that was just trained.
    drawn = re.search(r"over valid pixels\): bicubic ([\d.]+) dB, SeG-SR ([\d.]+) dB", said)
    assert drawn is not None and float(drawn[2]) > float(drawn[1])
    with (
        rasterio.open(folder / "rasters/residential_lr.tif") as lr,
        rasterio.open(folder / "rasters/SeGSR_x4.tif") as up,
    ):
        assert up.bounds == lr.bounds and up.crs == lr.crs and up.shape == (640, 640) and up.count == 4
    assert (folder / "rasters/SeGSR_x4.png").is_file() and str(folder / "rasters/SeGSR_x4.tif") in said
