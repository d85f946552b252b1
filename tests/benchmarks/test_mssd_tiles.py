"""``benchmarks/mssd_tiles.py``: how it measures, and that it runs."""

import pytest
import torch
from mssd_tiles import decibels, main, overlap_roughness

from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions
from tests.evaluation.test_trained_network import write_test_options
from tests.support import TINY_MSSD, make_image, write_image


def test_overlaps_alone_count_for_their_roughness():
    whole = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    options, sr = LatentTileOptions(size=10, overlap=4), whole.clone()  # of 16 latents: windows at 0 and 6
    sr[..., 2:20, 2:20] = 0.5
    assert overlap_roughness(sr, whole, options, factor=4) == 1.0
    sr[..., 22:42, :] = 0.5
    assert overlap_roughness(sr, whole, options, factor=4) < 0.8
    assert decibels(whole + 0.01, whole) == pytest.approx(40, abs=1e-3)


def test_each_size_has_a_row_and_one_tile_is_the_whole(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    network = {"type": "MSSD", **TINY_MSSD, "scale": 2, "sampler": {"steps": 1, "guidance": 1.0}}
    path = write_test_options(tmp_path, network=network, model_type="DiffusionModel")
    raster = write_image(tmp_path / "raster.png", make_image(0, 40, 48))
    main([str(path), str(raster), "--side", "24", "--tiles", "8:4", "11:4"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row.split("|")[1:3] for row in rows[1:]] == [[" 8 ", " 4 "], [" 11 ", " 4 "]]
    assert all(float(row.split("|")[3]) > 10 for row in rows[1:])
