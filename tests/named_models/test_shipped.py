"""The networks that come with the package: what they are, and that they do what they are for."""

import cv2
import numpy as np
import pytest

from segsr_arch.cli import segsr
from segsr_arch.config import read_options
from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.degradations.chain import Chain
from segsr_arch.named_models import SCHEME
from segsr_arch.named_models.card import UNKNOWN
from segsr_arch.named_models.folders import default_name, find_models, weights_of
from tests.support import ROOT, SHARED_DATA

SHIPPED = {model.name: model for model in find_models()[0] if model.shipped}
MOST_BYTES = 8 * 2**20
UCMERCED = SHARED_DATA / "ucmerced/Images"


def roofs(seed, side=240):
    """Draw what looks like roofs and roads from above, (side, side, 3) uint8 BGR, with edges in all directions."""
    rng = np.random.default_rng(seed)
    large = np.full((4 * side, 4 * side, 3), rng.integers(90, 130, 3), np.uint8)
    for _ in range(60):
        centre, size = rng.uniform(0, 4 * side, 2), rng.uniform(30, 160, 2)
        corners = cv2.boxPoints((centre.tolist(), size.tolist(), float(rng.uniform(0, 180))))
        cv2.fillPoly(large, [corners.astype(np.int32)], rng.integers(20, 236, 3).tolist())
    return cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)


def psnr(first, second, border=4):
    inner = (slice(border, -border), slice(border, -border))
    error = first[inner].astype(float) - second[inner].astype(float)
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def test_there_is_one_for_each_usual_scale_and_one_for_real_images():
    assert SHIPPED.keys() == {"aerial_x2", "aerial_x3", "aerial_x4", "aerial_real_x4"}
    assert [default_name(scale) for scale in (None, 2, 3, 4)] == ["aerial_x4", "aerial_x2", "aerial_x3", "aerial_x4"]


@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_small_whole_described_and_can_be_trained_again(name):
    model = SHIPPED[name]
    assert weights_of(f"{SCHEME}{name}") == model.weights and model.weights.stat().st_size < MOST_BYTES
    stated = model.card.stated()
    assert UNKNOWN not in stated.values()
    assert {"use", "limits", "licence", "data_licence", "trained_on", "training", "figures"} <= stated.keys()
    shipped = read_options(model.options)["network_g"]
    for command in ("train", "test"):
        assert read_options(ROOT / "options" / f"{command}_{name}.yml")["network_g"] == shipped


@pytest.mark.parametrize("name", [name for name in SHIPPED if "real" not in name])
def test_it_gives_back_more_of_what_bicubic_reduction_takes_than_bicubic_enlargement(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scale = SHIPPED[name].scale
    truth = roofs(seed=scale)
    cv2.imwrite("lr.png", make_lr(truth, scale))
    found = {}
    for model in (name, f"bicubic:{scale}"):
        assert segsr.main(["upscale", "lr.png", "sr.png", "--model", model, "--overwrite"]) == 0
        found[model] = psnr(cv2.imread("sr.png"), truth)
    assert found[name] > found[f"bicubic:{scale}"] + 0.6, found


@pytest.mark.skipif(not UCMERCED.is_dir(), reason=f"there are no aerial images in {UCMERCED}")
def test_the_one_for_real_images_is_the_best_where_they_are_blurred_noisy_and_compressed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chain = Chain.read(SHIPPED["aerial_real_x4"].card.degradation, scale=4)
    found = {model: [] for model in ("aerial_real_x4", "aerial_x4", "bicubic:4")}
    listed = (ROOT / "datasets/splits/ucmerced_val.txt").read_text().split()[::9]
    for seed, name in enumerate(listed):
        truth = cv2.imread(str(UCMERCED / f"{name}.webp"))
        cv2.imwrite("lr.png", chain.apply(truth, np.random.default_rng(seed)).lq)
        for model, values in found.items():
            assert segsr.main(["upscale", "lr.png", "sr.png", "--model", model, "--overwrite"]) == 0
            values.append(psnr(cv2.imread("sr.png"), truth))
    means = {model: np.mean(values) for model, values in found.items()}
    assert means["aerial_real_x4"] > max(means["aerial_x4"], means["bicubic:4"]) + 0.15, means
