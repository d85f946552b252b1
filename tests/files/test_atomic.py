import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from segsr_arch.errors import SaveError
from segsr_arch.files.atomic import atomic_write, left_over, partial_folder, remove_left_over
from segsr_arch.weights.writing import atomic_torch_save


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_the_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new content")
        file.flush()
        assert path.read_bytes() == b"old"
        assert sorted(name.endswith(".partial") for name in os.listdir(tmp_path)) == [False, True]
        assert left_over(tmp_path) == [], "it is being written"
    assert path.read_bytes() == b"new content"
    assert os.listdir(tmp_path) == ["file.bin"]


def test_contents_and_name_are_flushed_to_the_disk(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace

    def spy_fsync(descriptor):
        events.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "replace", lambda *paths: (events.append("rename"), replace(*paths)))
    atomic_torch_save({"a": 1}, tmp_path / "a.pth")
    assert events == ["file", "rename", "folder"]


def test_permissions_follow_the_umask(tmp_path):
    atomic_torch_save({"a": 1}, tmp_path / "a.pth")
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.pth").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_other_exceptions_pass_and_leave_nothing(tmp_path, error):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(type(error)), atomic_write(tmp_path / "a") as file:
        file.write(b"half")
        raise error
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_refusal_names_the_file_and_keeps_the_old_one(tmp_path, monkeypatch, step):
    path = tmp_path / "a.pth"
    atomic_torch_save({"a": 1}, path)
    monkeypatch.setattr(os, step, full_disk)
    with pytest.raises(SaveError, match=r"a\.pth: .*No space left.*MB free.*previous file .* intact"):
        atomic_torch_save({"a": 2}, path)
    assert torch.load(path, weights_only=True) == {"a": 1}
    assert os.listdir(tmp_path) == ["a.pth"]


def test_missing_folder(tmp_path):
    with pytest.raises(SaveError, match="nowhere"):
        atomic_torch_save({}, tmp_path / "nowhere" / "a.pth")


def test_two_saves_of_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "a"
    with atomic_write(path) as outer:
        outer.write(b"outer")
        with atomic_write(path) as inner:
            inner.write(b"inner")
        assert path.read_bytes() == b"inner"
    assert path.read_bytes() == b"outer"


def test_a_real_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        path = disk / "a.pth"
        atomic_torch_save(torch.zeros(10000), path)
        with pytest.raises(SaveError, match=r"a\.pth.*No space left.*0\.2 MB free.*intact"):
            atomic_torch_save(torch.zeros(100000), path)
        assert torch.load(path, weights_only=True).shape == (10000,)
        assert os.listdir(disk) == ["a.pth"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_kill_leaves_the_old_file_and_a_partial_one_that_is_found(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    script = (
        "import sys, time; from segsr_arch.files.atomic import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write(b'half'); file.flush(); print('writing', flush=True); time.sleep(60)\n"
    )
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", script, path]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        timer = threading.Timer(60, process.kill)
        timer.start()
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
        timer.cancel()
    assert path.read_bytes() == b"old"
    assert [partial.read_bytes() for partial in left_over(tmp_path)] == [b"half"]


@pytest.mark.parametrize("name", ["a" * 250, "ü" * 125, "b" * 200 + ".png"])
def test_long_names(tmp_path, name):
    with atomic_write(tmp_path / name) as file:
        file.write(b"whole")
    assert (tmp_path / name).read_bytes() == b"whole" and os.listdir(tmp_path) == [name]
    with partial_folder(tmp_path / name) as folder:
        assert folder.is_dir()
    assert os.listdir(tmp_path) == [name]


def test_a_name_that_is_too_long_is_told(tmp_path):
    with pytest.raises(SaveError, match="aaa: File name too long"), atomic_write(tmp_path / ("a" * 300)) as file:
        file.write(b"half")
    assert os.listdir(tmp_path) == []


def test_the_first_error_is_told_if_the_partial_file_cannot_be_removed_either(tmp_path, monkeypatch):
    def read_only(path, **_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", read_only)
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(SaveError, match=r"Cannot write .*/a: No space left on device"), atomic_write(tmp_path / "a"):
        pass


def test_only_what_a_process_that_is_gone_was_writing_is_removed(tmp_path, gone):
    ours, other = f".a.{os.getpid()}-0f.partial", ".a.1-0f.partial"
    left = [f".a.{gone}-0f.partial", f".a.{gone}-1.partial", f".a.png.{gone}-0f.partial"]
    folder = tmp_path / "a"
    folder.mkdir()
    for name in (ours, other, *left):
        (tmp_path / name).write_bytes(b"half")
    (folder / "deep" / f".sr.{gone}-00.partial" / "sr").mkdir(parents=True)
    (folder / "deep" / f"name.{gone}-00.partial").touch()  # not hidden: somebody's own
    with atomic_write(folder / "new"):
        remove_left_over(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a", other, left[2]])
    assert [path.name for path in (folder / "deep").iterdir()] == [f"name.{gone}-00.partial"]
    assert (folder / "new").exists(), "what is being written stays"


def test_a_folder_that_is_not_finished_does_not_stay(tmp_path):
    with pytest.raises(ValueError, match="mine"), partial_folder(tmp_path / "deep/D") as folder:
        (folder / "image.png").touch()
        assert folder.parent == tmp_path / "deep" and folder.name.startswith(".D.")
        raise ValueError("mine")
    assert os.listdir(tmp_path / "deep") == []
