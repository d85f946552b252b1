import re

import cv2
import pytest

from segsr_arch.cli import segsr


@pytest.mark.slow
def test_the_demo_beats_bicubic_and_leaves_pictures_to_look_at(tmp_path, capfd):
    folder = tmp_path / "demo"
    code = segsr.main(["demo", "--dir", str(folder)])
    said = capfd.readouterr().out
    assert code == 0, said
    assert "protocol y-crop" in said and "random weights" in said
    psnr = {name: float(value) for name, value in re.findall(r"^(bicubic|SeG-SR) +([\d.]+) +[\d.]+$", said, re.M)}
    assert psnr["SeG-SR"] >= psnr["bicubic"] + 0.5
    # The test loop of BasicSR, which reads no PNG file, came to the same figure.
    logged = re.findall(r"# psnr: ([\d.]+)", (folder / "test.log").read_text())
    assert [f"{float(value):.2f}" for value in logged] == [f"{psnr[name]:.2f}" for name in ("SeG-SR", "bicubic")]
    comparison = cv2.imread(str(folder / "comparison.png"))
    assert comparison.shape[1] > 1500 and comparison.std() > 20
    assert str(folder / "comparison.png") in said
    assert len(list((folder / "results/demo_SeGSR_x4/visualization/DemoTest").glob("*.png"))) == 20
