import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from multiprocessing.connection import Connection

import pytest

from segsr_arch.errors import DataError, SegsrError
from segsr_arch.running.worker_team import Lost, WorkerTeam, _serve
from tests.running.test_processes import wait_for_end
from tests.support import runs, started

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills processes as Linux does")


@pytest.fixture
def deadline(deadline):
    signal.alarm(300)  # processes import the package, on machines that may be busy


def make_worker(folder):
    """A worker that notes in which process it was made."""
    with open(folder / "made", "a") as file:
        file.write(f"{os.getpid()}\n")
    return folder


def made(folder):
    return list(map(int, (folder / "made").read_text().split()))


def negate(folder, number):
    return -number, os.getpid()


def die_of(folder, number, *, times, numbers):
    """Be killed the first so many times that a number comes."""
    with open(folder / f"begun{number}", "a") as file:
        file.write("x")
    if number in numbers and (folder / f"begun{number}").stat().st_size <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def begun(folder, number):
    return (folder / f"begun{number}").stat().st_size


def wait_until_interrupted(folder, number):
    try:
        (folder / f"at{number}").write_text(str(os.getpid()))
        time.sleep(60)
    finally:
        (folder / f"cleaned{number}").write_text("")


def refuse(error):
    raise error


def leave(code):
    os._exit(code)


def test_each_process_makes_its_worker_once_and_all_tasks_are_done(tmp_path, deadline):
    given, ticks = [], []
    team = WorkerTeam(partial(make_worker, tmp_path), jobs=2)
    results = dict(team.run(negate, range(3, 13), begun=given.append, tick=lambda: ticks.append(1)))
    assert {position: value for position, (value, _) in results.items()} == {n: -3 - n for n in range(10)}
    assert given == list(range(3, 13)) and ticks
    makers = made(tmp_path)  # one if that did all before the other had started
    assert 1 <= len(makers) <= 2 and len(set(makers)) == len(makers)
    assert {pid for _, pid in results.values()} <= set(makers)
    assert os.getpid() not in makers and not any(map(runs, makers))


def test_no_more_processes_start_than_there_are_tasks(tmp_path, deadline):
    assert list(WorkerTeam(partial(make_worker, tmp_path), jobs=8).run(negate, [])) == []
    assert len(list(WorkerTeam(partial(make_worker, tmp_path), jobs=8).run(negate, [1]))) == 1
    assert len(made(tmp_path)) == 1


def test_a_process_that_is_killed_costs_one_task_that_is_done_again(tmp_path, deadline):
    team = WorkerTeam(partial(make_worker, tmp_path), jobs=1)
    results = dict(team.run(partial(die_of, times=1, numbers=(3,)), range(8)))
    assert results == {number: number for number in range(8)}
    assert [begun(tmp_path, number) for number in range(8)] == [1, 1, 1, 2, 1, 1, 1, 1]
    assert len(made(tmp_path)) == 2


def test_a_task_whose_process_always_ends_is_given_up_and_the_others_are_done(tmp_path, deadline):
    team = WorkerTeam(partial(make_worker, tmp_path), jobs=2, retries=2)
    results = dict(team.run(partial(die_of, times=9, numbers=(1,)), range(5)))
    lost = results.pop(1)
    assert isinstance(lost, Lost)
    assert lost.reason.startswith(
        "its worker process was ended by SIGKILL, each of 3 times, perhaps for lack of memory"
    )
    assert results == {0: 0, 2: 2, 3: 3, 4: 4} and begun(tmp_path, 1) == 3


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (DataError("a.pth: is missing"), DataError, r"^a\.pth: is missing$"),
        (ZeroDivisionError("no"), SegsrError, "^A worker process cannot start: ZeroDivisionError: no$"),
    ],
)
def test_what_keeps_workers_from_being_made_is_raised(deadline, error, kind, message):
    with pytest.raises(kind, match=message):
        list(WorkerTeam(partial(refuse, error), jobs=2).run(negate, range(4)))


def test_processes_that_end_while_they_start_are_told(deadline):
    with pytest.raises(
        SegsrError, match=r"^Worker processes end while they start \(with exit code 3\), perhaps .* than 2\."
    ):
        list(WorkerTeam(partial(leave, 3), jobs=2).run(negate, range(4)))


def await_files(*paths):
    while not all(path.exists() and path.read_text() for path in paths):
        time.sleep(0.01)


def test_ctrl_c_lets_processes_clean_up_and_ends_them(tmp_path, deadline):
    at = [tmp_path / "at0", tmp_path / "at1"]

    def interrupt():
        await_files(*at)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    team = WorkerTeam(partial(make_worker, tmp_path), jobs=2)
    with pytest.raises(KeyboardInterrupt):
        list(team.run(wait_until_interrupted, range(4)))
    assert not any(map(runs, made(tmp_path)))
    assert (tmp_path / "cleaned0").exists() and (tmp_path / "cleaned1").exists()
    assert not (tmp_path / "at2").exists()


PROGRAM = """
import sys
from functools import partial
from pathlib import Path
from segsr_arch.running.worker_team import WorkerTeam
from tests.running.test_worker_team import make_worker, wait_until_interrupted
if __name__ == "__main__":
    list(WorkerTeam(partial(make_worker, Path(sys.argv[1])), jobs=2).run(wait_until_interrupted, range(2)))
"""


def test_processes_end_with_who_is_killed(tmp_path, deadline):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with started([sys.executable, program, tmp_path], cwd=tmp_path, stdout=subprocess.DEVNULL, seconds=300) as process:
        await_files(tmp_path / "at0", tmp_path / "at1")
        process.kill()
        for pid in made(tmp_path):
            wait_for_end(pid)
        assert process.stderr.read() == ""


def serve_alone(ours, theirs, make):
    ours.close()  # as whoever has started it alone holds that end
    _serve(Connection(theirs.detach()), make)


def test_a_process_ends_quietly_whose_answer_nobody_has_read(capfd, deadline):
    ours, theirs = socket.socketpair()
    process = multiprocessing.get_context("fork").Process(target=serve_alone, args=(ours, theirs, float))
    process.start()
    theirs.close()
    assert select.select([ours], [], [], 30)[0]
    ours.close()
    process.join(30)
    assert process.exitcode == 0
    assert capfd.readouterr().err == ""
