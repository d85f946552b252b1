import errno
import json
import multiprocessing
import os
import signal

import filelock
import pytest

from segsr_arch.errors import InUseError, SaveError
from segsr_arch.files import locking
from segsr_arch.files.locking import check_free, lock_file, locked

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are forked")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(locking, "PATIENCE", 0.1)


def hold(target, connection):
    with locked(target):
        connection.send("held")
        connection.recv()


@pytest.fixture
def holder():
    """Start processes that hold something until they are told."""
    context, started = multiprocessing.get_context("fork"), []

    def start(target):
        ours, theirs = context.Pipe()
        process = context.Process(target=hold, args=(target, theirs), daemon=True)
        process.start()
        started.append(process)
        assert ours.poll(20) and ours.recv() == "held"
        return process, ours

    yield start
    for process in started:
        process.kill()


def test_the_second_is_told_who_the_first_is_and_goes_on_after_it(tmp_path, holder, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/segsr", "report", "my run", "--out", "x"])
    process, connection = holder(tmp_path / "deep/D")
    with pytest.raises(InUseError) as caught, locked(tmp_path / "deep/D"):
        pass
    expected = f"{tmp_path}/deep/D is in use by process {process.pid} (segsr report 'my run' --out x). Wait until"
    assert str(caught.value).startswith(expected)
    with locked(tmp_path / "deep/E"):
        pass  # another name
    connection.send("go on")
    process.join(20)
    assert not (tmp_path / "deep").exists()
    with locked(tmp_path / "deep/D"):
        assert lock_file(tmp_path / "deep/D").exists()
    assert not (tmp_path / "deep").exists()


def test_a_killed_process_holds_nothing_and_its_half_files_go(tmp_path, holder):
    process, _ = holder(tmp_path / "D")
    (tmp_path / f".D.{process.pid}-00.partial").mkdir()
    (tmp_path / "D").mkdir()
    (tmp_path / f"D/.a.png.{process.pid}-00.partial").touch()
    (tmp_path / f"..D.held.{process.pid}-00.partial").touch()  # killed while it noted that it holds it
    (tmp_path / f".E.{process.pid}-00.partial").touch()
    os.kill(process.pid, signal.SIGKILL)
    process.join(20)
    assert lock_file(tmp_path / "D").exists()
    with locked(tmp_path / "D"):
        assert os.listdir(tmp_path / "D") == []
    assert sorted(os.listdir(tmp_path)) == [f".E.{process.pid}-00.partial", "D"]


def test_a_folder_that_is_renamed_stays_held(tmp_path, holder):
    (tmp_path / "D").mkdir()
    holder(tmp_path / "D")
    (tmp_path / "D").rename(tmp_path / "D_archived_20260101_000000")
    with pytest.raises(InUseError), locked(tmp_path / "D"):
        pass


def test_a_process_of_another_machine_is_named_with_it(tmp_path, holder):
    holder(tmp_path / "D")
    noted = tmp_path / ".D.held"
    noted.write_text(json.dumps({"pid": 7, "host": "node3", "command": "basicsr train -opt a.yml"}))
    with pytest.raises(InUseError, match=r"by process 7 on node3 \(basicsr train -opt a.yml\)"), locked(tmp_path / "D"):
        pass
    noted.write_text("{")
    with pytest.raises(InUseError, match="D is in use by another process. Wait"), locked(tmp_path / "D"):
        pass


def test_what_somebody_holds_in_a_folder_is_found(tmp_path, holder):
    check_free(tmp_path / "nowhere", ".*.lock")
    lock_file(tmp_path / "A").touch()  # of a process that was killed
    check_free(tmp_path, ".*.lock")
    process, _ = holder(tmp_path / "B")
    with pytest.raises(InUseError, match=f"{tmp_path} is in use by process {process.pid}"):
        check_free(tmp_path, ".*.lock")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch, caplog, number):
    def refuse(self, **_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with locked(tmp_path / "D"):
        pass
    assert "this file system knows no locks; see to it that nothing else writes there" in caplog.text


def test_where_nothing_can_be_written_it_is_said(tmp_path, monkeypatch):
    with pytest.raises(SaveError, match="aaa: cannot be written .*File name too long"), locked(tmp_path / ("a" * 300)):
        pass
    with locked(tmp_path / ("a" * 255)):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(SaveError, match="file/D: cannot be written"), locked(tmp_path / "file/D"):
        pass

    def refuse(self, **_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(SaveError, match=r"D: cannot be written to \(Read-only file system\); choose another folder"):
        locked(tmp_path / "D").__enter__()


def test_folders_that_were_made_for_nothing_are_removed(tmp_path):
    with pytest.raises(ValueError, match="refused"), locked(tmp_path / "a/b/result.json"):
        raise ValueError("refused")
    assert not (tmp_path / "a").exists()
    with locked(tmp_path / "a/b/result.json"):
        (tmp_path / "a/b/result.json").write_text("{}")
    (tmp_path / "here").mkdir()
    with locked(tmp_path / "here/result.json"):
        pass
    assert (tmp_path / "a/b/result.json").exists() and (tmp_path / "here").exists()
