import copy
import json

import numpy as np
import pytest
import torch
import yaml
from basicsr.models import build_model

from segsr_arch.cli.segsr import main
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.trained_network import images_as_datasets, load_trained
from segsr_arch.results.reading import read_record
from tests.models.tiny import tiny_options
from tests.support import TINY_SEMANTICS


def write_test_options(root, *, network=None, **top):
    """Save a tiny network, and write the option file that tests it; returns its path."""
    options = tiny_options(root, is_train=False, network=network)
    model = build_model(copy.deepcopy(options))
    model.save_network(model.net_g, "net_g", 1)
    test = {**options["datasets"]["test"], "name": "made"}
    for key in ("phase", "scale", "gt_size", "use_hflip", "use_rot", "batch_size_per_gpu", "num_worker_per_gpu"):
        del test[key]
    content = {
        key: options[key] for key in ("name", "model_type", "scale", "num_gpu", "manual_seed", "network_g", "val")
    }
    content |= {"datasets": {"test": test}, "path": {"pretrain_network_g": str(root / "models/net_g_1.pth")}} | top
    path = root / "test.yml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_super_resolves_as_the_test_loop_does(here, capsys):
    path = write_test_options(here, val={"save_img": True, "suffix": None})
    trained = load_trained(path)
    assert (trained.name, trained.scale, str(trained.device)) == ("tiny", 2, "cpu")
    assert not trained.network.training and trained.text == path.read_text()
    ((name, dataset),) = trained.datasets()
    assert name == "made"
    item = dataset[0]
    sr = trained.super_resolve(item)
    with torch.no_grad():
        expected = trained.network(item["lq"].unsqueeze(0))
    assert sr.dtype == torch.float32 and torch.equal(sr, expected[0])
    torch.testing.assert_close(trained(item["lq"].expand(2, -1, -1, -1)), expected.expand(2, -1, -1, -1))
    maps = trained.guidance(item)
    assert maps.shape == (2, 4, 4) and maps.dtype == np.float16 and np.abs(maps).max() <= 1
    assert trained.cells_per_pixel == 2 / 8 and "random(0)" in trained.vlm
    assert "distributed" not in capsys.readouterr().out
    assert not (here / "results").exists()


def test_a_network_without_a_guide_has_no_maps(here):
    trained = load_trained(write_test_options(here, network={"type": "Bicubic", "upscale": 2}), device="cpu")
    item = next(trained.datasets())[1][0]
    assert trained.guidance(item) is None and trained.vlm is None and trained.cells_per_pixel is None


GUIDED_WITHOUT_MAPS = {
    "type": "SemanticSR",
    "base": {"type": "MSRResNet", "num_feat": 4, "num_block": 2, "upscale": 2},
    "units": 2,
    "semantics": {**TINY_SEMANTICS, "modules": "sfem"},
}


@pytest.mark.parametrize(("folder", "name"), [("data/v.2", "v.2"), ("data/HR.lmdb/", "HR"), ("a/b.lmdb", "b")])
def test_a_data_set_of_images_has_the_name_of_their_folder(folder, name):
    (change,) = images_as_datasets(gt=folder)
    assert json.loads(change.removeprefix("datasets="))["test"]["name"] == name


@pytest.mark.parametrize("modules", ["sfem", "sfem+lmm"])
def test_a_guide_without_localization_has_no_maps_but_a_vision_language_model(here, modules):
    semantics = {**TINY_SEMANTICS, "modules": modules}
    trained = load_trained(write_test_options(here, network={**GUIDED_WITHOUT_MAPS, "semantics": semantics}))
    item = next(trained.datasets())[1][0]
    assert trained.super_resolve(item).shape == (3, 32, 32)
    assert not trained.has_maps and trained.guidance(item) is None and trained.cells_per_pixel is None
    assert "random(0)" in trained.vlm


def test_a_network_without_maps_is_evaluated_and_no_maps_are_written(here, capsys):
    path = write_test_options(here, network=copy.deepcopy(GUIDED_WITHOUT_MAPS))
    assert main(["evaluate", "-opt", str(path)]) == 0
    folder = here / "results/tiny/evaluation/made"
    record = read_record(folder)
    assert record.problems == () and len(record.images) == 5
    assert all(row.maps is None and row.sr.read().shape == (32, 32, 3) for row in record.images)
    assert (folder / "sr").is_dir() and not (folder / "maps").exists()
    assert "random(0)" in record.provenance["vlm"] and record.cost is not None
    assert "psnr_y-crop" in record.summary and "maps" not in capsys.readouterr().err


def test_maps_of_any_guide_are_plain_cosines(here):
    semantics = {**TINY_SEMANTICS, "learned_map_scale": True, "map_upsampling": "learned"}
    trained = load_trained(write_test_options(here, network={**GUIDED_WITHOUT_MAPS, "semantics": semantics}))
    with torch.no_grad():
        trained.network.guide.map_scale.fill_(9.0)
    maps = trained.guidance(next(trained.datasets())[1][0])
    assert maps.shape == (2, 4, 4) and 0 < np.abs(maps).max() <= 1


def test_maps_are_the_same_every_time_under_a_model_that_leaves_the_network_training(here):
    trained = load_trained(write_test_options(here, model_type="SRModel"))
    item = next(trained.datasets())[1][0]
    found = []
    for _ in range(2):
        trained.super_resolve(item)
        found.append(trained.guidance(item))
    assert np.array_equal(*found)


def test_overrides_are_applied_and_told(here):
    path = write_test_options(here)
    trained = load_trained(path, overrides=["name=other"])
    assert trained.name == "other" and trained.text.startswith("# changed on the command line: name=other\n")


def test_output_that_is_not_finite_is_refused(here):
    trained = load_trained(write_test_options(here))
    with torch.no_grad():
        next(trained.network.base.parameters()).fill_(float("nan"))
    with pytest.raises(DataError, match="NaN or infinity in 3072 of 3072 values"):
        trained.super_resolve(next(trained.datasets())[1][0])


def test_wrong_options_and_devices_are_explained(here):
    path = write_test_options(here)
    with pytest.raises(ConfigError, match="netwrk_g"):
        load_trained(path, overrides=["netwrk_g:upscale=2"])
    with pytest.raises(ConfigError, match="'tpu' is not known"):
        load_trained(path, device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="--device cuda: torch sees no GPU"):
            load_trained(path, device="cuda")
