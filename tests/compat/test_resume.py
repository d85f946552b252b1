import logging
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from basicsr.models.base_model import BaseModel
from basicsr.models.lr_scheduler import MultiStepRestartLR
from basicsr.train import load_resume_state

from segsr_arch.errors import CheckpointError, UnsafeWeightsError
from tests.compat.helpers import Payload
from tests.support import run_command

KILLED_WHILE_SAVING = """\
import io, os, signal, sys
import segsr_arch
import torch
from tests.compat.test_resume import make_model, save

model = make_model(sys.argv[1])
save(model, 10)
whole = torch.save

def killed(content, target):
    if "optimizers" not in content:
        return whole(content, target)
    buffer = io.BytesIO()
    whole(content, buffer)
    half = buffer.getvalue()[: buffer.tell() // 2]
    if hasattr(target, "write"):
        target.write(half), target.flush()
    else:
        open(target, "wb").write(half)
    os.kill(os.getpid(), signal.SIGKILL)

torch.save = killed
save(model, 20)
"""


def make_options(root, **changes):
    paths = {name: str(Path(root, name)) for name in ("models", "training_states")}
    for path in paths.values():
        os.makedirs(path, exist_ok=True)
    options = {"network_g": {}, "num_gpu": 0, "dist": False, "is_train": True, "auto_resume": True}
    return {**options, "path": {**paths, "resume_state": None, "param_key_g": "params_ema"}, **changes}


def make_model(root):
    model = BaseModel(make_options(root))
    network = torch.nn.Linear(2, 2)
    model.net_g = network
    model.optimizers.append(torch.optim.AdamW(network.parameters()))
    model.schedulers.append(MultiStepRestartLR(model.optimizers[0], [1, 1, 2], 0.5))
    network(torch.ones(2)).sum().backward()
    model.optimizers[0].step()
    model.schedulers[0].step()
    return model


def save(model, iteration, epoch=1):
    model.save_network(model.net_g, "net_g", iteration)
    model.save_training_state(epoch, iteration)


@pytest.fixture
def saved(tmp_path):
    """Root folder with whole states of iterations 5, 40 and 100."""
    model = make_model(tmp_path)
    for iteration in (5, 40, 100):
        save(model, iteration)
    return tmp_path


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.skipif(torch.cuda.is_available(), reason="fails only without a GPU")
def test_stock_cannot_resume_on_cpu(saved, stock):
    state = str(saved / "training_states" / "5.state")
    options = make_options(saved, auto_resume=False)
    options["path"]["resume_state"] = state
    with pytest.raises((RuntimeError, AssertionError), match="NVIDIA|CUDA"):
        stock("basicsr.train").load_resume_state(options)


def test_stock_looks_below_the_working_directory(saved, stock):
    assert stock("basicsr.train").load_resume_state({**make_options(saved), "name": "tiny"}) is None


def test_newest_state_by_number_on_the_cpu_with_its_network(saved):
    options = make_options(saved)
    state = load_resume_state(options)
    assert state["iter"] == 100 and state["epoch"] == 1
    assert state["optimizers"][0]["state"][0]["exp_avg"].device.type == "cpu"
    assert options["path"]["resume_state"] == str(saved / "training_states" / "100.state")
    assert options["path"]["pretrain_network_g"] == str(saved / "models" / "net_g_100.pth")
    assert options["path"]["param_key_g"] == "params"


def test_optimizer_and_scheduler_come_back(saved):
    state = load_resume_state(make_options(saved))
    model = make_model(saved)
    expected = model.optimizers[0].state_dict()["state"][0]["exp_avg_sq"].clone()
    fresh = make_model(saved)
    fresh.optimizers[0].state.clear()
    fresh.schedulers[0].last_epoch = 0
    fresh.resume_training(state)
    assert fresh.schedulers[0].last_epoch == 1
    assert fresh.schedulers[0].milestones == Counter({1: 2, 2: 1})
    assert fresh.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.25e-3)
    assert torch.equal(fresh.optimizers[0].state_dict()["state"][0]["exp_avg_sq"], expected)


def test_no_states_start_afresh(tmp_path):
    assert load_resume_state(make_options(tmp_path)) is None
    assert load_resume_state(make_options(tmp_path, auto_resume=False)) is None


@pytest.mark.parametrize("broken", ["training_states/100.state", "models/net_g_100.pth"])
@pytest.mark.parametrize("damage", [cut, Path.unlink, lambda path: path.write_bytes(b"")], ids=["cut", "gone", "empty"])
def test_broken_newest_state_is_skipped_with_a_warning(saved, caplog, broken, damage):
    damage(saved / broken)
    assert load_resume_state(make_options(saved))["iter"] == 40
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    if broken == "training_states/100.state" and not (saved / broken).exists():
        assert warnings == []
    else:
        assert len(warnings) == 1 and "100.state" in warnings[0] and Path(broken).name in warnings[0]


def test_network_that_is_not_resumed_may_be_missing(saved):
    (saved / "models" / "net_g_100.pth").unlink()
    options = make_options(saved)
    options["path"]["ignore_resume_networks"] = ["network_g"]
    assert load_resume_state(options)["iter"] == 100


def test_all_states_broken_is_an_error_not_a_fresh_start(saved):
    for path in (saved / "training_states").iterdir():
        cut(path)
    with pytest.raises(CheckpointError, match=rf"none of the 3 states in {saved}.*move {saved} away"):
        load_resume_state(make_options(saved))


@pytest.mark.parametrize("auto", [True, False])
def test_given_state(saved, auto):
    options = make_options(saved, auto_resume=auto)
    options["path"]["resume_state"] = str(saved / "training_states" / "40.state")
    assert load_resume_state(options)["iter"] == (100 if auto else 40)


@pytest.mark.parametrize(
    "damage, message",
    [
        (Path.unlink, "5.state, which does not exist"),
        (cut, "5.state cannot be read"),
        (lambda path: torch.save({"iter": 5}, path), "5.state is no training state"),
    ],
)
def test_given_state_that_cannot_be_used(saved, damage, message):
    path = saved / "training_states" / "5.state"
    damage(path)
    options = make_options(saved, auto_resume=False)
    options["path"]["resume_state"] = str(path)
    with pytest.raises(CheckpointError, match=message):
        load_resume_state(options)


@pytest.mark.parametrize("name", ["training_states/100.state", "models/net_g_100.pth"])
def test_state_with_code_in_it_is_refused_and_not_run(saved, name):
    torch.save({"iter": 100, "payload": Payload(saved / "ran")}, saved / name)
    with pytest.raises(UnsafeWeightsError, match=rf"{Path(name).name} is refused because it could run code"):
        load_resume_state(make_options(saved))
    assert not (saved / "ran").exists()


def test_kill_while_saving_then_auto_resume(tmp_path, caplog):
    command = [sys.executable, "-c", KILLED_WHILE_SAVING, tmp_path]
    assert run_command(command, cwd=tmp_path).returncode == -signal.SIGKILL
    states = tmp_path / "training_states"
    assert len(os.listdir(states)) == 2, "the whole state and the half one"
    assert load_resume_state(make_options(tmp_path))["iter"] == 10
    assert caplog.records == [], "the half state never had a state's name"
    assert os.listdir(states) == ["10.state"], "the half one is cleared away"


def test_a_model_goes_on_with_the_settings_that_it_was_built_with(saved):
    state = load_resume_state(make_options(saved))
    model = make_model(saved)
    model.optimizers[0].param_groups[0] |= {"weight_decay": 0.5, "fused": True}
    model.resume_training(state)
    group = model.optimizers[0].param_groups[0]
    assert (group["weight_decay"], group["fused"]) == (0.5, True)
    assert group["lr"] == pytest.approx(0.25e-3), "nothing says that the rate was edited"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.optimizers.append(model.optimizers[0]), "has 1 optimizers and 1 schedulers.*has 2 and 1"),
        (
            lambda model: model.optimizers.__setitem__(0, torch.optim.SGD(model.net_g.parameters(), 0.1)),
            "not saved by SGD",
        ),
        (lambda model: model.optimizers[0].param_groups[0]["params"].pop(), "belongs to other parameters"),
    ],
)
def test_state_of_other_optimizers_is_a_sentence(saved, change, message):
    model = make_model(saved)
    change(model)
    with pytest.raises(CheckpointError, match=message):
        model.resume_training(load_resume_state(make_options(saved)))
