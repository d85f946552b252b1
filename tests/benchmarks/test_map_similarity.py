"""``benchmarks/map_similarity.py``: how alike the units of a network look at images."""

import pytest
import torch
import yaml
from map_similarity import main, measure

from segsr_arch.evaluation.trained_network import load_trained
from tests.evaluation.test_trained_network import write_test_options
from tests.guiding.bases import build, images
from tests.guiding.test_guided_network import shake
from tests.reproduction.made import prepare_images


def test_units_that_look_alike_and_units_that_do_not():
    network = shake(build("EDSR")).eval()
    lqs = [images(40, 24 + 8 * place) for place in range(3)]
    found = measure(network, [(lq, None) for lq in lqs])
    with torch.no_grad():
        maps = [network.guide.view(lq).maps[0].flatten(1) for lq in lqs]
    expected = [float(torch.corrcoef(each)[0, 1]) for each in maps]
    assert found["correlation"] == pytest.approx((sum(expected) / 3, min(expected)), abs=1e-5)
    assert found["spread"] == pytest.approx(
        float(torch.stack([each.std(dim=1, correction=0).mean() for each in maps]).mean()), rel=1e-5
    )
    with torch.no_grad():
        network.guide.localization.local_descriptors[1] = network.guide.localization.local_descriptors[0]
    alike = measure(network, [(lq, None) for lq in lqs])
    assert alike["cosine"] == pytest.approx((1, 1), abs=1e-5) and alike["correlation"][1] == pytest.approx(1, abs=1e-4)
    assert found["cosine"][0] < 0.9999


def test_option_files_are_measured_in_their_folder_and_networks_without_maps_are_left_out(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    options = write_test_options(tmp_path)
    content = yaml.safe_load(options.read_text())
    content["path"]["pretrain_network_g"] = "models/net_g_1.pth"  # as segsr reproduce writes it
    options.write_text(yaml.safe_dump(content))
    network = {"type": "MSRResNet", "num_feat": 4, "num_block": 2, "upscale": 2}
    plain = write_test_options(tmp_path / "plain", network=network, name="plain")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    main(["../plain/test.yml", "../test.yml", "--folder", ".."])
    told = capsys.readouterr()
    assert plain.is_file() and "left out: plain has no guide, or one that has no maps" in told.err
    (cells,) = [[cell.strip() for cell in line.split("|")][1:-1] for line in told.out.splitlines()[2:]]
    network = load_trained(options).network
    data = next(load_trained(options).datasets())[1]
    found = measure(network, [(item["lq"][None], None) for item in data])
    assert cells[0] == "tiny" and float(cells[1].split()[0]) == pytest.approx(found["cosine"][0], abs=1e-4)
    assert [float(cell) for cell in cells[3:]] == pytest.approx([found["spread"], found["given"]], abs=1e-3)


def test_where_guides_start(tmp_path, capsys):
    main(["--untrained", "EDSR", "--data", str(prepare_images(tmp_path)), "--draws", "1", "--images", "2"])
    lines = capsys.readouterr().out.splitlines()
    found = {cells[1]: cells[2:6] for line in lines[2:] if (cells := [cell.strip() for cell in line.split("|")])}
    assert float(found["guide as in the paper"][0].split()[0]) > 0.99 and float(found["improved"][0].split()[0]) < 0.3
    for name, is_steep in (("identity", False), ("identity, standardised maps", True), ("improved", True)):
        assert (float(found[name][3]) > 0.5) == is_steep
    assert not any("zeros" in name or "others" in name or "HR" in name for name in found), "these are controls"


@pytest.mark.parametrize("arguments", [[], ["--untrained", "EDSR"], ["file.yml", "--untrained", "EDSR", "--data", "."]])
def test_either_files_or_a_base_are_given(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert "give option files, or --untrained BASE with --data DIR" in capsys.readouterr().err
