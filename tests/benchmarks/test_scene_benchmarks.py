"""``benchmarks/scene_tiles.py`` and ``benchmarks/scene_trust.py``: what they measure of known networks and images."""

import numpy as np
import pytest
import scene_tiles
import scene_trust
import torch
from torch.nn import functional

from segsr_arch.degradations.bicubic import make_lr
from tests.support import make_image


def nearest(lq):
    return functional.interpolate(lq, scale_factor=2, mode="nearest")


def tells_its_edges(lq):
    """A network whose tiles are brighter at their upper edge."""
    sr = nearest(lq).clone()
    sr[:, :, :2] += 0.6
    return sr


def table(network, **more):
    truths = [make_image(seed, 96, 80) for seed in range(2)]
    return dict(scene_tiles.table_of(network, truths, scale=2, tiles=(16, 32), overlaps=(0, 8), whole=True, **more))


def test_tiles_change_nothing_where_a_network_sees_pixels_alone():
    found = table(nearest)
    assert list(found) == [None, (32, 8), (32, 0), (16, 8), (16, 0)]
    assert {row["difference"] for row in found.values()} == {0.0}
    assert len({row["psnr"] for row in found.values()}) == 1
    assert np.isnan(found[None]["seam"]) and found[None]["work"] == 1
    assert found[16, 0]["work"] == pytest.approx(3 * 16 * 3 * 16 / (48 * 40))
    for way, row in found.items():
        if way:
            assert row["seam"] == row["reference"] > 0


def test_seams_are_seen_and_overlap_hides_them():
    found = table(tells_its_edges)
    assert found[16, 0]["seam"] > 2 * found[16, 0]["reference"]
    assert found[16, 8]["seam"] < found[16, 0]["seam"]
    assert found[16, 0]["difference"] > found[32, 0]["difference"] > 0
    assert found[16, 0]["psnr"] < found[None]["psnr"]


def test_only_8_bits_are_taken(tmp_path):
    import tifffile

    path = tmp_path / "deep.tif"
    tifffile.imwrite(path, np.zeros((20, 20, 3), np.uint16), photometric="rgb")
    with pytest.raises(SystemExit, match="8 bits"):
        scene_tiles.truth_of(path, 16, 2)


def test_the_middle_of_a_scene_is_taken_as_it_is(tmp_path):
    import tifffile

    image = make_image(0, 51, 70)
    tifffile.imwrite(tmp_path / "scene.tif", image, photometric="rgb")
    assert np.array_equal(scene_tiles.truth_of(tmp_path / "scene.tif", 42, 4), image[5:45, 15:55])


def test_the_projection_is_measured_with_and_without():
    gt = make_image(3, 64, 64)
    lr = np.ascontiguousarray(make_lr(gt, 2).transpose(2, 0, 1))
    sr = nearest(torch.from_numpy(lr)[None].float())[0].numpy()
    found = scene_trust.with_and_without_projection(sr, lr, gt, 2)
    assert found["consistent"]["consistency"].missed == 0 < found["as it is"]["consistency"].missed
    assert found["consistent"]["psnr"] > found["as it is"]["psnr"]


def test_a_spread_that_is_the_error_is_trusted_fully():
    gt = make_image(4, 64, 64)
    mean = gt.transpose(2, 0, 1) + np.random.default_rng(0).normal(0, 8, (3, 64, 64))
    error = np.abs(mean - gt.transpose(2, 0, 1)).mean(axis=0)
    found, picture = scene_trust.trust(mean, error, gt, 2)
    for unit in ("output pixel", "LR pixel"):
        correlation, sparse = found[unit, "spread"]
        assert correlation == pytest.approx(1) and sparse.gained == pytest.approx(1)
        assert found[unit, "gradient"][0] < 0.5
    assert np.allclose(picture["error"], error)


def coloured(seed):
    """An image (H, W, 3) R, G, B whose red has errors that its blue has not."""
    image = make_image(seed, 64, 64)
    wrong = image.copy()
    wrong[..., 0] = np.clip(wrong[..., 0].astype(int) + np.random.default_rng(seed).integers(-40, 41, (64, 64)), 0, 255)
    return image, wrong


def psnr_of_luma(sr, gt):
    """By hand: BT.601 luma of R, G, B, a border of 2 cut."""
    weights = np.array([65.481, 128.553, 24.966]) / 255
    difference = ((sr.astype(float) - gt) @ weights)[2:-2, 2:-2]
    return 10 * np.log10(255**2 / (difference**2).mean())


def test_psnr_is_that_of_the_luma_of_red_green_and_blue():
    gt, wrong = coloured(5)
    lr = np.ascontiguousarray(make_lr(gt, 2).transpose(2, 0, 1))
    found = scene_trust.with_and_without_projection(wrong.transpose(2, 0, 1).astype(np.float32), lr, gt, 2)
    assert found["as it is"]["psnr"] == pytest.approx(psnr_of_luma(wrong, gt), abs=1e-4)
    _, _, figures = scene_tiles.measure(
        lambda _: torch.from_numpy(wrong.transpose(2, 0, 1))[None] / 255, [gt], scale=2, tile=None
    )
    assert figures["psnr"] == pytest.approx(psnr_of_luma(wrong, gt), abs=1e-4)


def test_the_gradient_is_that_of_the_luma():
    red = np.zeros((8, 8, 3), np.uint8)
    red[:, 4:, 0] = 200
    assert scene_trust.gradient_of(red).max() == pytest.approx(200 * 65.481 / 255 / 2, rel=1e-4)
