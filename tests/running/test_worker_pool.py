import errno
import os
import threading

import cv2
import numpy as np
import pytest

from segsr_arch.errors import DataError
from segsr_arch.running.worker_pool import WorkerPool
from tests.support import runs


def negated(worker, number):
    return worker, os.getpid(), -number


def enlarge(worker, side):
    """Work on which OpenCV uses its threads."""
    return cv2.resize(np.zeros((side, side, 3), np.uint8), (2000, 2000), interpolation=cv2.INTER_CUBIC).shape


def whoami(worker):
    return os.getpid()


def end_abruptly(worker):
    os._exit(1)


def test_results_come_in_order_from_several_processes():
    pool = WorkerPool(os.getpid, jobs=2)
    try:
        results = list(pool.run(negated, [(number,) for number in range(20)]))
        assert [number for *_, number in results] == list(range(0, -20, -1))
        assert all(worker == process != os.getpid() for worker, process, _ in results), "each process made its worker"
    finally:
        pool.close()


def test_one_job_stays_in_this_process():
    pool = WorkerPool(os.getpid, jobs=1)
    assert set(pool.run(whoami, [()] * 3)) == {os.getpid()}
    pool.close()


def test_workers_do_not_wait_for_opencv_threads_of_the_parent():
    threads = cv2.getNumThreads()
    cv2.setNumThreads(4)
    try:
        enlarge(None, 1500)
        pool = WorkerPool(os.getpid, jobs=2)
        assert list(pool.run(enlarge, [(1000,), (1500,)])) == [(2000, 2000, 3)] * 2
        pool.close()
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(threads)


def test_a_worker_that_dies_is_explained():
    pool = WorkerPool(os.getpid, jobs=2)
    with pytest.raises(DataError, match="a worker process was ended from outside"):
        list(pool.run(end_abruptly, [()] * 4))
    pool.close()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EAGAIN])
def test_a_limit_that_lets_only_some_workers_start_is_told_at_once(monkeypatch, deadline, number):
    fork, started = os.fork, []

    def limited():
        if len(started) == 2:
            raise OSError(number, os.strerror(number))
        started.append(fork())
        return started[-1]

    monkeypatch.setattr(os, "fork", limited)
    threads = cv2.getNumThreads()
    with pytest.raises(DataError, match=r"^8 processes cannot be started .*ulimit -n, ulimit -u.*--jobs 1 starts none"):
        WorkerPool(os.getpid, jobs=8)
    assert len(started) == 2 and not any(map(runs, started)), "what had started has ended"
    assert cv2.getNumThreads() == threads


def test_threads_that_cannot_be_started_are_told(monkeypatch, deadline):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(DataError, match="2 processes cannot be started .can't start new thread"):
        WorkerPool(os.getpid, jobs=2)
