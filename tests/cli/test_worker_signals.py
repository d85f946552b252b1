import multiprocessing
import os
import signal

import pytest

from segsr_arch.cli.worker_signals import WorkerSignals, report_uncaught


class Ready:
    """Start-up function of a loader that says in which worker it ran."""

    def __init__(self, connection):
        self.connection = connection

    def __call__(self, worker_id):
        self.connection.send(worker_id)


def work(signals, connection):
    signals(7)
    while True:
        connection.send(connection.recv())


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_worker_outlives_signals_until_it_is_released(method):
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    signals = WorkerSignals(Ready(theirs))
    worker = context.Process(target=work, args=(signals, theirs), daemon=True)
    worker.start()
    assert ours.poll(60) and ours.recv() == 7
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        os.kill(worker.pid, signum)
        ours.send("alive?")
        assert ours.poll(10) and ours.recv() == "alive?"
    signals.release()
    worker.terminate()
    worker.join(10)
    assert worker.exitcode == 143


def test_a_main_process_that_went_away_is_not_reported_by_the_worker(capsys):
    report_uncaught(ConnectionResetError, ConnectionResetError("gone"), None)
    report_uncaught(EOFError, EOFError(), None)
    assert capsys.readouterr().err == ""
    report_uncaught(ValueError, ValueError("a defect"), None)
    assert "a defect" in capsys.readouterr().err
