"""What fails in the middle of a training: it stops with the reason, what was saved is whole, and the run goes on."""

import errno
import os
import re
import signal
import sys

import pytest
import torch
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.models.sr_model import SRModel

from tests.cli.runs import largest_difference, losses, make_options, make_pairs, network, run_here, start, write_options
from tests.support import make_image, run_command, write_image

TRAIN = ["train", "-opt", "tiny.yml"]
KILLED = """\
import io, os, signal, sys
import segsr_arch
import torch
from segsr_arch.cli.basicsr import main

whole, start_of_name = torch.save, sys.argv[1]

def killed(content, file):
    if os.path.basename(file.name).startswith(start_of_name):
        buffer = io.BytesIO()
        whole(content, buffer)
        file.write(buffer.getvalue()[: buffer.tell() // 2])
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    whole(content, file)

torch.save = killed
main(["train", "-opt", "tiny.yml"])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    # after an error, torch waits that many seconds for each worker to end; the default is 5
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.2)
    make_pairs(tmp_path)
    return tmp_path


def options(folder, **changes):
    """A training that saves every second iteration."""
    opt = make_options(folder, **changes)
    opt["logger"]["save_checkpoint_freq"] = 2
    return opt


def saved(folder):
    """Bytes of networks and states by name, files that are hidden or half-written included."""
    experiment = folder / "experiments" / "tiny"
    return {
        path.name: path.read_bytes() for kind in ("models", "training_states") for path in (experiment / kind).iterdir()
    }


def check_resumes_like_an_uninterrupted_run(folder, opt, monkeypatch, last):
    """Resume after iteration ``last``, and compare with a run from start to end."""
    write_options(folder, opt)
    assert run_here(["train", "--auto_resume", "-opt", "tiny.yml"], monkeypatch, folder) == 0
    write_options(folder, {**opt, "name": "whole"}, "whole.yml")
    assert run_here(["train", "-opt", "whole.yml"], monkeypatch, folder) == 0
    newest = max((folder / "experiments" / "tiny").glob("train_*.log"), key=lambda path: path.stat().st_mtime_ns)
    assert f"iter: {last:d}." in newest.read_text().replace(",", "")
    assert largest_difference(network(folder, "latest"), network(folder, "latest", "whole")) < 1e-7


def break_pixels(path):
    """Leave header and length, which the check of the options looks at."""
    content = path.read_bytes()
    path.write_bytes(content[:60] + bytes(8) + content[68:])
    return content


@pytest.mark.parametrize(("workers", "prefetch"), [(0, None), (2, None), (0, "cpu"), (2, "cpu")])
def test_image_that_does_not_decode_in_the_fifth_iteration(folder, monkeypatch, capsys, deadline, workers, prefetch):
    opt = options(folder, iterations=8, batch=1, workers=workers, prefetch=prefetch)
    write_options(folder, opt)
    paths = PairedImageDataset({**opt["datasets"]["train"], "phase": "train", "scale": 2}).paths
    fifth = torch.randperm(8, generator=torch.Generator().manual_seed(0))[4]  # BasicSR's order in its first epoch
    path = next(path for path in (folder / "LR").iterdir() if str(path) == paths[fifth]["lq_path"])
    content = break_pixels(path)
    assert run_here(TRAIN, monkeypatch, folder) == 2
    error = capsys.readouterr().err.split("error: ")[-1]
    assert error.startswith(f"{path} does not decode") and "Traceback" not in error
    assert list(losses(folder)) == [1, 2, 3, 4]
    assert sorted(saved(folder)) == ["2.state", "4.state", "net_g_2.pth", "net_g_4.pth"]
    path.write_bytes(content)
    check_resumes_like_an_uninterrupted_run(folder, opt, monkeypatch, 4)


def test_image_that_does_not_decode_in_a_validation(folder, monkeypatch, capsys, deadline):
    opt = options(folder, val_freq=3)
    opt["datasets"]["val"] |= {"dataroot_gt": str(folder / "val/HR"), "dataroot_lq": str(folder / "val/LR")}
    make_pairs(folder / "val", count=2)
    break_pixels(folder / "val/HR/01.png")
    write_options(folder, opt)
    assert run_here(TRAIN, monkeypatch, folder) == 2
    assert f"error: {folder}/val/HR/01.png does not decode" in capsys.readouterr().err
    assert list(losses(folder)) == [1, 2, 3]


@pytest.mark.slow
def test_image_that_does_not_decode_in_one_of_two_processes(folder):
    opt = options(folder, iterations=1_000_000, batch=1, workers=1)
    path = write_image(folder / "LR" / "08.png", make_image(0, 8, 8))
    write_image(folder / "HR" / "08.png", make_image(0, 16, 16))
    break_pixels(path)
    write_options(folder, opt)
    launcher = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone")
    with start([*TRAIN, "--launcher", "pytorch"], folder, launcher=launcher) as process:
        output = process.communicate()[0]
    assert process.returncode == 1, output  # torchrun's own
    assert f"error: {path} does not decode" in output


@pytest.mark.parametrize("file", ["net_g_6.pth", "6.state"])
def test_disk_that_is_full_while_a_file_is_saved(folder, monkeypatch, capsys, file):
    opt = options(folder)
    write_options(folder, opt)
    fsync, method = os.fsync, "save_network" if file.endswith(".pth") else "save_training_state"
    save = getattr(SRModel, method)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    def save_on_a_full_disk(self, *args, **named):
        if 6 in args:
            monkeypatch.setattr(os, "fsync", full)
        save(self, *args, **named)

    monkeypatch.setattr(SRModel, method, save_on_a_full_disk)
    assert run_here(TRAIN, monkeypatch, folder) == 2
    error = capsys.readouterr().err.split("error: ")[-1]
    assert re.search(rf"^Cannot write .*/{re.escape(file)}: .*No space left on device", error)
    assert "files saved earlier are intact. Free some space or fix the folder, then resume." in error
    assert list(losses(folder)) == [1, 2, 3, 4, 5, 6]
    left = saved(folder)
    expected = {"2.state", "4.state", "net_g_2.pth", "net_g_4.pth"} | ({"net_g_6.pth"} if file == "6.state" else set())
    assert left.keys() == expected
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(SRModel, method, save)
    check_resumes_like_an_uninterrupted_run(folder, opt, monkeypatch, 4)
    assert {name: saved(folder)[name] for name in ("net_g_4.pth", "4.state")} == {
        name: left[name] for name in ("net_g_4.pth", "4.state")
    }


@pytest.mark.slow
@pytest.mark.parametrize("file", ["net_g_6.pth", "6.state"])
def test_kill_9_while_a_file_is_saved(folder, monkeypatch, file):
    opt = options(folder)
    write_options(folder, opt)
    done = run_command([sys.executable, "-c", KILLED, f".{file}"], cwd=folder)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = saved(folder)
    (partial,) = (name for name in left if name.endswith(".partial"))
    assert file in partial and file not in left and len(left[partial]) > 0
    check_resumes_like_an_uninterrupted_run(folder, opt, monkeypatch, 4)
    assert not any(name.endswith(".partial") for name in saved(folder))
