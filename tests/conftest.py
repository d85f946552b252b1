"""The package comes first: it repairs basicsr, which test modules import by themselves."""

import collections
import faulthandler
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import hypothesis
import pytest

import segsr_arch  # noqa: F401
from tests.cli.runs import forget_logger

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("any_machine", deadline=None)
hypothesis.settings.load_profile("any_machine")


_crashed = []  # what is known of processes of tests that have crashed
_latest = collections.defaultdict(lambda: collections.deque(maxlen=3))  # of each process, the tests that it ended last
_begun_again = set()  # tests at which they did


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Give each process of tests a file for the stacks of its threads, which nobody sees if it crashes."""
    node.workerinput["stacks"] = os.path.join(tempfile.mkdtemp(prefix="stacks-"), node.gateway.id)


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    if hasattr(config, "workerinput"):
        faulthandler.enable(os.open(config.workerinput["stacks"], os.O_CREAT | os.O_WRONLY))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Note how a process of tests has crashed, and where its threads were."""
    stacks = Path(node.workerinput["stacks"])
    if error:
        code = node.gateway._io.wait()
        _crashed.append(
            f"{node.gateway.id} ended with exit code {code} after {', '.join(_latest[node.gateway.id])}; {_memory()}\n"
            f"{stacks.read_text(errors='replace') or 'no stack: its handler was not called'}"
        )
    shutil.rmtree(stacks.parent)


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(crashitem, report, sched):
    """Run the test at which a process has crashed once more: it may have been any of those that it ran before."""
    if crashitem not in _begun_again:
        _begun_again.add(crashitem)
        sched.mark_test_pending(crashitem)
        report.outcome = "crashed"  # no failure yet, and told below


def pytest_runtest_logreport(report):
    if report.when == "teardown" and hasattr(report, "node"):
        _latest[report.node.gateway.id].append(report.nodeid)


def _memory():
    """What is known of memory: whether it was lacking cannot be seen from an exit code alone."""
    if sys.platform != "linux":
        return "its memory is not known"
    import resource

    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    return f"no process that has ended had more than {most} MB; {Path('/proc/meminfo').read_text().splitlines()[:3]}"


def pytest_unconfigure():
    """Say it after all else: it is what somebody looks for who sees the end alone."""
    for how in _crashed:
        print(f"\nA process of tests crashed; its test was run again.\n{how}")


@pytest.fixture(autouse=True)
def fresh_log():
    """Give each test a logger of its own: BasicSR sets its up once a process, on the streams of that moment."""
    yield
    forget_logger()


@pytest.fixture
def gone():
    """Number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def deadline():
    """Turn a hang of the test into an error."""

    def expire(*_):
        raise TimeoutError("the test hangs")

    previous = signal.signal(signal.SIGALRM, expire)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


# A shell that starts the tests in the background has SIGINT ignored, in all that they start as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
