import errno
import os

import pytest
import torch
from basicsr.models.base_model import BaseModel

from segsr_arch.errors import SaveError
from tests.compat.test_resume import make_model, save


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_stock_goes_on_without_a_checkpoint(tmp_path, stock, monkeypatch):
    module = stock("basicsr.models.base_model")
    monkeypatch.setattr(torch, "save", full_disk)
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    module.BaseModel.save_training_state(make_model(tmp_path), 1, 10)
    assert os.listdir(tmp_path / "training_states") == []


def test_both_networks_under_their_names(tmp_path):
    model = make_model(tmp_path)
    ema = torch.nn.DataParallel(torch.nn.BatchNorm1d(2))
    model.save_network([model.net_g, ema], "net_g", 7, param_key=["params", "params_ema"])
    content = torch.load(tmp_path / "models" / "net_g_7.pth", weights_only=True)
    assert list(content) == ["params", "params_ema"]
    assert torch.equal(content["params"]["weight"], model.net_g.weight)
    assert list(content["params_ema"]) == list(ema.module.state_dict())
    assert content["params_ema"]._metadata[""]["version"] == 2


def test_prefix_of_a_wrapped_part_is_removed_once(tmp_path):
    network = torch.nn.ModuleDict({"module": torch.nn.Linear(1, 1)})
    make_model(tmp_path).save_network(network, "net_g", 7)
    content = torch.load(tmp_path / "models" / "net_g_7.pth", weights_only=True)
    assert list(content["params"]) == ["weight", "bias"]


def test_last_iteration_is_called_latest_and_has_no_state(tmp_path):
    save(make_model(tmp_path), -1)
    assert os.listdir(tmp_path / "models") == ["net_g_latest.pth"]
    assert os.listdir(tmp_path / "training_states") == []


def test_names_and_networks_must_match(tmp_path):
    model = make_model(tmp_path)
    with pytest.raises(ValueError, match="1 networks, but 2 names"):
        model.save_network([model.net_g], "net_g", 1, param_key=["params", "params_ema"])


@pytest.mark.parametrize("kind", ["network", "state"])
def test_full_disk_stops_the_run_and_keeps_the_old_file(tmp_path, monkeypatch, kind):
    model = make_model(tmp_path)
    save(model, 10)
    path = tmp_path / ("models/net_g_10.pth" if kind == "network" else "training_states/10.state")
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(SaveError, match=rf"{path.name}.*No space left.*intact"):
        if kind == "network":
            model.save_network(model.net_g, "net_g", 10)
        else:
            model.save_training_state(1, 10)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_other_ranks_do_not_write(tmp_path, monkeypatch):
    from basicsr.utils import dist_util

    monkeypatch.setattr(dist_util, "get_dist_info", lambda: (1, 2))
    save(make_model(tmp_path), 10)
    assert os.listdir(tmp_path / "models") == os.listdir(tmp_path / "training_states") == []


def test_subclasses_have_it():
    from basicsr.models.sr_model import SRModel

    assert SRModel.save_network is BaseModel.save_network
