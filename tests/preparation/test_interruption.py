"""A preparation that is killed, at several moments, and then run again."""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from segsr_arch.errors import InUseError
from segsr_arch.preparation.journal import Journal
from segsr_arch.preparation.run import prepare
from tests.preparation.test_preparation import make_source, options, snapshot

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches processes through /proc")


def wait_for(condition, seconds=20.0):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.002)


def count_pngs(root):
    return len(list(Path(root).glob("*/*_x*/*.png")))


@pytest.mark.parametrize(("jobs", "files"), [(1, 1), (2, 1), (2, 25), (2, 60)])
def test_killed_runs_go_on_to_the_same_result(tmp_path, jobs, files):
    source = make_source(tmp_path / "src", count=10, size=160)
    prepare(options(source, tmp_path / "whole", scales=(2, 4)))
    process = multiprocessing.get_context("fork").Process(
        target=prepare, args=(options(source, tmp_path / "dst", scales=(2, 4), jobs=jobs),)
    )
    process.start()
    wait_for(lambda: count_pngs(tmp_path / "dst") >= files or not process.is_alive())
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == (jobs if jobs > 1 else 0)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    # The workers do not outlive it. A zombie counts as gone: who inherits it may take a while to bury it.
    for child in children:
        wait_for(lambda child=child: not is_running(child))
    assert not (tmp_path / "dst/manifest.json").exists()
    outcome = prepare(options(source, tmp_path / "dst", scales=(2, 4), jobs=jobs))
    assert sum(outcome.written.values()) + sum(outcome.intact.values()) == 40
    assert files < 25 or sum(outcome.intact.values()) >= 4
    assert snapshot(tmp_path / "dst") == snapshot(tmp_path / "whole")
    assert not list((tmp_path / "dst").rglob("*.partial"))


def is_running(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_left_over_partial_files_and_torn_journal_lines_do_no_harm(tmp_path, gone):
    source = make_source(tmp_path / "src")
    prepare(options(source, tmp_path / "dst"))
    before = snapshot(tmp_path / "dst")
    (tmp_path / f"dst/train/HR_x4/.a00.png.{gone}-0.partial").write_bytes(b"half")
    (tmp_path / "dst/.prepare/unfinished").mkdir()
    (tmp_path / "dst/.prepare/unfinished/1-train-HR_x4.lmdb").write_bytes(b"half")
    with open(tmp_path / "dst/.prepare/journal.jsonl", "a") as file:
        file.write('[["made", "train", "4", "a0')
    outcome = prepare(options(source, tmp_path / "dst"))
    assert (outcome.written, outcome.databases) == ({}, 0)
    assert snapshot(tmp_path / "dst") == before


def test_two_runs_on_one_folder_exclude_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr("segsr_arch.files.locking.PATIENCE", 0.1)
    holder = Journal(tmp_path / "dst")
    with pytest.raises(InUseError, match=f"dst is in use by process {os.getpid()}"):
        Journal(tmp_path / "dst")
    holder.close()
    Journal(tmp_path / "dst").close()
