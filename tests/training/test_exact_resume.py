import logging
import os
import re
import signal
import sys

import numpy as np
import pytest

from segsr_arch.models.segsr_model import SeGSRModel
from tests.cli.runs import losses, write_options
from tests.support import run_command
from tests.training.runs import EDSR, SEGSR, cropping_options, cut_off_after, network, train


@pytest.mark.parametrize(
    ("model_type", "network_g", "workers", "prefetch"),
    [
        ("SRModel", EDSR, 0, None),
        ("SRModel", EDSR, 2, None),
        ("SeGSRModel", EDSR, 0, "cpu"),
        ("SeGSRModel", SEGSR, 0, None),
        pytest.param("SeGSRModel", SEGSR, 2, "cpu", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_killed_and_resumed_ends_with_the_weights_of_one_that_is_not(
    tmp_path, monkeypatch, model_type, network_g, workers, prefetch
):
    """In the middle of an epoch, with crops and flips, dropout, validation, warm-up, milestones and moving average."""
    opt = cropping_options(
        tmp_path, model_type=model_type, network_g=network_g, workers=workers, prefetch=prefetch, val_freq=4
    )
    opt["datasets"]["train"]["persistent_workers"] = workers > 0
    assert train(tmp_path, monkeypatch, opt) == 0
    whole = network(tmp_path, "latest")
    cut_off_after(tmp_path, 5)
    assert train(tmp_path, monkeypatch, opt, "--auto_resume") == 0
    resumed = network(tmp_path, "latest")
    assert whole.keys() == resumed.keys()
    assert all(np.array_equal(value, resumed[name]) for name, value in whole.items())
    before = network(tmp_path, 5)
    assert any(not np.array_equal(value, before[name]) for name, value in whole.items())


def test_crops_are_those_of_any_number_of_workers(tmp_path, monkeypatch):
    weights = []
    for workers, prefetch, seed in ((0, None, 1), (2, None, 1), (0, "cpu", 1), (0, None, 2)):
        opt = cropping_options(tmp_path, workers=workers, prefetch=prefetch, iterations=8)
        opt |= {"name": f"run{len(weights)}", "manual_seed": seed}
        assert train(tmp_path, monkeypatch, opt) == 0
        weights.append(network(tmp_path, "latest", opt["name"]))
    first, *same, seeded = weights
    for other in same:
        assert all(np.array_equal(value, other[name]) for name, value in first.items())
    assert any(not np.array_equal(value, seeded[name]) for name, value in first.items())


def test_a_drawn_seed_is_kept(tmp_path, monkeypatch, caplog):
    opt = cropping_options(tmp_path)
    del opt["manual_seed"]
    assert train(tmp_path, monkeypatch, opt) == 0
    whole = network(tmp_path, "latest")
    cut_off_after(tmp_path, 5)
    with caplog.at_level(logging.INFO, logger="segsr_arch"):
        assert train(tmp_path, monkeypatch, opt, "--auto_resume") == 0
    assert "takes effect" not in caplog.text
    resumed = network(tmp_path, "latest")
    assert all(np.array_equal(value, resumed[name]) for name, value in whole.items())


@pytest.mark.parametrize(("images", "batch", "epochs"), [(3, 2, 12), (5, 3, 12), (4, 2, 6)])
def test_epochs_go_on_until_all_iterations_are_trained(tmp_path, monkeypatch, images, batch, epochs):
    """Incomplete batches are not trained: three images in batches of two are one iteration an epoch, not two."""
    opt = cropping_options(tmp_path, images=images, batch=batch, ema=0)
    assert train(tmp_path, monkeypatch, opt) == 0
    assert list(losses(tmp_path)) == [*range(1, 13)]
    text = next((tmp_path / "experiments/tiny").glob("train_*.log")).read_text()
    assert len(set(re.findall(r"epoch:\s*(\d+), iter", text))) == epochs


def test_a_smaller_batch_in_a_late_epoch_still_trains_to_the_end(tmp_path, monkeypatch):
    """Twelve epochs of one iteration lie behind it, and of four iterations it would need five in all."""
    opt = cropping_options(tmp_path, images=4, batch=4)
    opt["logger"]["save_checkpoint_freq"] = 12
    assert train(tmp_path, monkeypatch, opt) == 0
    opt["train"]["total_iter"] = 20
    opt["datasets"]["train"]["batch_size_per_gpu"] = 1
    assert train(tmp_path, monkeypatch, opt, "--auto_resume") == 0
    assert list(losses(tmp_path))[-8:] == [*range(13, 21)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "semantics",
    [{}, {"preset": "improved", "tokens": "whitened", "maps": "shuffled"}],
    ids=["paper", "study"],
)
def test_two_processes_go_on_as_if_they_had_not_been_stopped(tmp_path, semantics):
    """With dropout in both, running statistics, and a seed that is drawn."""
    guided = {**SEGSR, "semantics": {**SEGSR["semantics"], **semantics}}
    opt = cropping_options(tmp_path, model_type="SeGSRModel", network_g=guided)
    del opt["manual_seed"]
    name = write_options(tmp_path, opt)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launch, "-m", "segsr_arch.cli.basicsr", "train", "-opt", name, "--launcher", "pytorch"]
    weights = []
    for arguments in ((), ("--auto_resume",)):
        done = run_command([*command, *arguments], cwd=tmp_path, seconds=240)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        weights.append(network(tmp_path, "latest"))
        cut_off_after(tmp_path, 5)
    assert "not exactly" not in done.stdout + done.stderr
    assert all(np.array_equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_run_that_is_terminated_between_two_saves_and_resumed_is_exact_too(tmp_path, monkeypatch):
    """By SIGTERM in the fourth step, before the validation of that iteration."""
    opt = cropping_options(tmp_path, network_g=SEGSR, val_freq=4)
    assert train(tmp_path, monkeypatch, {**opt, "name": "whole"}) == 0
    step = SeGSRModel.optimize_parameters

    def terminated_step(model, current_iter):
        step(model, current_iter)
        if current_iter == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(SeGSRModel, "optimize_parameters", terminated_step)
        assert train(tmp_path, patched, opt) == 128 + signal.SIGTERM
    assert train(tmp_path, monkeypatch, opt, "--auto_resume") == 0
    assert (tmp_path / "experiments/tiny/validation/few/00000004").is_dir()
    whole, resumed = network(tmp_path, "latest", "whole"), network(tmp_path, "latest")
    assert all(np.array_equal(value, resumed[name]) for name, value in whole.items())
