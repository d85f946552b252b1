"""Signals at known points of a run in this process; real runs are in ``test_interruption_processes``."""

import os
import signal
import sys

import pytest
import torch

import segsr_arch  # noqa: F401
from tests.cli.runs import largest_difference, losses, make_options, make_pairs, network, run_here, write_options
from tests.support import run_command

TRAIN = ["train", "-opt", "tiny.yml"]


@pytest.fixture
def folder(tmp_path):
    make_pairs(tmp_path)
    write_options(tmp_path, make_options(tmp_path, val_freq=4))
    return tmp_path


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    make_pairs(folder)
    write_options(folder, make_options(folder, val_freq=4))
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert run_here(TRAIN, monkeypatch, folder) == 0
    return folder


def signal_in(monkeypatch, owner, name, call, signum=signal.SIGTERM, times=1):
    """Send this process signals in the middle of the n-th call of a method; returns a counter of calls."""
    stock, calls = getattr(owner, name), []

    def method(*args, **options):
        calls.append(1)
        if len(calls) == call:
            for _ in range(times):
                os.kill(os.getpid(), signum)
        return stock(*args, **options)

    monkeypatch.setattr(owner, name, method)
    return calls


def states(folder):
    return sorted(path.name for path in (folder / "experiments" / "tiny").glob("training_states/*"))


def where(point):
    """The class or module, and the function in it, of a point of the loop."""
    import basicsr.models.sr_model as sr_model
    from basicsr.data.paired_image_dataset import PairedImageDataset

    owner = {"__getitem__": PairedImageDataset, "calculate_metric": sr_model}.get(point, sr_model.SRModel)
    return owner, point


@pytest.mark.parametrize(
    ("point", "call", "last", "prefetch"),
    [
        ("update_learning_rate", 5, 5, None),  # the scheduler has moved on: the step must be done
        ("optimize_parameters", 5, 5, None),
        ("reduce_loss_dict", 5, 5, "cpu"),
        ("__getitem__", 6, 2, None),  # third batch of two: nothing is going on, stop at once
        ("calculate_metric", 3, 4, "cpu"),  # in a validation: stop at once
        ("get_current_log", 7, 7, None),
    ],
)
def test_state_is_saved_and_resuming_equals_an_uninterrupted_run(
    folder, uninterrupted, monkeypatch, capsys, point, call, last, prefetch
):
    write_options(folder, make_options(folder, val_freq=4, prefetch=prefetch))
    handlers = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        signal_in(patch, *where(point), call)
        assert run_here(TRAIN, monkeypatch, folder) == 143
    assert handlers == [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)]
    error = capsys.readouterr().err
    state_file = f"experiments/tiny/training_states/{last}.state"
    assert f"Stopped by SIGTERM after iteration {last}. State saved: {state_file}" in error
    assert "Resume with: basicsr train --auto_resume -opt tiny.yml" in error
    state = torch.load(folder / state_file, weights_only=False)
    assert (state["iter"], state["epoch"]) == (last, (last - 1) // 4)
    before = losses(folder)
    assert max(before) in (last - 1, last)  # the stop may come before the line of the last iteration

    assert run_here(["train", "--auto_resume", "-opt", "tiny.yml"], monkeypatch, folder) == 0
    assert largest_difference(network(folder, "latest"), network(uninterrupted, "latest")) < 1e-7
    expected = losses(uninterrupted)
    assert {**before, last: expected[last], **losses(folder)} == expected


def test_sigint_has_its_own_exit_code(folder, monkeypatch, capsys):
    signal_in(monkeypatch, *where("optimize_parameters"), 2, signal.SIGINT)
    assert run_here(TRAIN, monkeypatch, folder) == 130
    assert "Stopped by SIGINT after iteration 2" in capsys.readouterr().err


def test_resume_hint_repeats_the_options(folder, monkeypatch, capsys):
    signal_in(monkeypatch, *where("optimize_parameters"), 2)
    assert run_here([*TRAIN, "--force_yml", "train:scheduler:milestones=[3, 4]"], monkeypatch, folder) == 143
    hint = "Resume with: basicsr train --auto_resume -opt tiny.yml --force_yml 'train:scheduler:milestones=[3, 4]'"
    assert hint in capsys.readouterr().err


def test_signal_in_a_save_lets_it_finish_and_saves_no_second_time(folder, monkeypatch):
    opt = make_options(folder)
    opt["logger"]["save_checkpoint_freq"] = 4
    write_options(folder, opt)
    calls = signal_in(monkeypatch, *where("save_network"), 1)
    assert run_here(TRAIN, monkeypatch, folder) == 143
    assert states(folder) == ["4.state"]
    assert len(calls) == 1


def test_the_same_signal_passed_on_twice_counts_once(folder, monkeypatch):
    signal_in(monkeypatch, *where("optimize_parameters"), 2, times=2)
    assert run_here(TRAIN, monkeypatch, folder) == 143
    assert states(folder) == ["2.state"]


def test_before_the_first_iteration_there_is_nothing_to_save(folder, monkeypatch, capsys):
    signal_in(monkeypatch, *where("setup_optimizers"), 1)
    assert run_here(TRAIN, monkeypatch, folder) == 143
    error = capsys.readouterr().err
    assert "no iteration was completed in this run, nothing to save" in error
    assert "Resume with" not in error
    assert states(folder) == []


def test_half_a_step_is_never_saved(folder, monkeypatch):
    """A step that fails after a signal ends the run with its own error."""
    from basicsr.models.sr_model import SRModel

    def fail(self, losses):
        os.kill(os.getpid(), signal.SIGTERM)
        raise ZeroDivisionError("in the step")

    monkeypatch.setattr(SRModel, "reduce_loss_dict", fail)
    with pytest.raises(ZeroDivisionError):
        run_here(TRAIN, monkeypatch, folder)
    assert states(folder) == []


def test_second_signal_stops_at_once_without_saving(folder):
    code = """if True:
        import os, signal, sys, time
        import segsr_arch
        from basicsr.models.sr_model import SRModel
        from segsr_arch.cli.basicsr import main

        def step(self, current_iter):
            if current_iter == 3:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1.1)
                os.kill(os.getpid(), signal.SIGINT)
            stock(self, current_iter)

        stock, SRModel.optimize_parameters = SRModel.optimize_parameters, step
        sys.exit(main(["train", "-opt", "tiny.yml"]))
    """
    done = run_command([sys.executable, "-c", code], cwd=folder)
    assert done.returncode == 130
    assert "SIGINT again: stopped at once, nothing more was saved." in done.stderr
    assert states(folder) == []


def test_test_run_reports_ctrl_c(folder, monkeypatch, capsys):
    import basicsr.test

    def interrupted(root):
        raise KeyboardInterrupt

    opt = make_options(folder, val_freq=4)
    opt["datasets"] = {"test": opt["datasets"]["val"]}
    opt["val"] = {"save_img": False, "suffix": None}
    write_options(folder, opt, "test.yml")
    monkeypatch.setattr(basicsr.test, "test_pipeline", interrupted)
    assert run_here(["test", "-opt", "test.yml"], monkeypatch, folder) == 130
    assert capsys.readouterr().err.endswith("Interrupted.\n")
