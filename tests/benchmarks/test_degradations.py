"""``benchmarks/degradations.py``: bicubic enlargement on the published test kernels."""

import numpy as np
import pytest
from degradations import NOISES, blurs, bytes_against_floats, enlarged, main, measure, tables
from PIL import Image

from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.metrics.measures.fidelity import psnr
from tests.degradations.pictures import picture


@pytest.fixture(scope="module")
def found():
    return measure({"a": picture("uint8", 64, 64), "b": picture("uint8", 66, 49)}, scale=4, seed=0)


def test_every_kernel_is_measured_and_the_values_are_means_over_images(found):
    assert len(blurs(4)) == 1 + 8 + 11
    assert len(found) == 1 + 8 + 11 * len(NOISES)
    expected = []
    for gt in (picture("uint8", 64, 64), picture("uint8", 66, 49)[:64, :48]):
        sr = enlarged(make_lr(gt, 4), 4)
        expected.append(psnr(sr[..., ::-1].copy(), gt[..., ::-1].copy(), scale=4))
    assert found["none", 0]["y-crop"][0] == pytest.approx(np.mean(expected), abs=1e-9)


def test_noise_and_wider_blur_cost(found):
    kernel = "(3.8, 2.2, 0.9 pi)"
    values = [found[kernel, noise]["y-crop"][0] for noise in NOISES]
    assert values == sorted(values, reverse=True)
    assert found["isotropic 3.2", 0]["y-crop"][0] < found["isotropic 1.8", 0]["y-crop"][0]
    text = tables(found).splitlines()
    assert sum(line.startswith(f"| {kernel} |") for line in text) == 2
    assert f"{values[2]:.4f} |" in text[-2]


def test_the_reduction_of_bytes_is_too_dark():
    assert bytes_against_floats({"a": picture("uint8", 128, 128)}, scale=4) == pytest.approx(-0.498, abs=0.03)


def test_the_command_prints_and_names_an_empty_folder(tmp_path, capsys):
    with pytest.raises(SystemExit, match="holds no images"):
        main([str(tmp_path)])
    Image.fromarray(picture("uint8", 64, 64)).save(tmp_path / "a.png")
    main([str(tmp_path), "--scale", "2"])
    printed = capsys.readouterr().out
    assert "1 images" in printed and "x2" in printed and "grey levels" in printed
