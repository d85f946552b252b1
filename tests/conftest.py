"""The package comes first: it repairs basicsr, which test modules import by themselves."""

import collections
import faulthandler
import os
import re
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
from tests.support import run_command

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("any_machine", deadline=None)
hypothesis.settings.load_profile("any_machine")


_ALONE = "SEGSR_TEST_ALONE"  # set where a test runs in a process of its own
_crashed = []  # what is known of processes of tests that have crashed
_latest = collections.defaultdict(lambda: collections.deque(maxlen=3))  # of each process, the tests that it ended last
_begun_again = []  # tests at which they did
_stacks = []  # in a process of tests: file for the stacks of its threads, its number and its path


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Give each process of tests a file for the stacks of its threads, which nobody sees if it crashes."""
    node.workerinput["stacks"] = os.path.join(tempfile.mkdtemp(prefix="stacks-"), node.gateway.id)


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    if hasattr(config, "workerinput"):
        path = config.workerinput["stacks"]
        _stacks.extend((os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND), path))
        faulthandler.enable(_stacks[0])


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item):
    """Take the handler of segmentation faults back from whoever has taken it, and note after which test that was."""
    if _stacks and not _handles_segmentation_faults():
        faulthandler.enable(_stacks[0])
        os.write(_stacks[0], f"no handler of segmentation faults after {item.nodeid}; there is one again\n".encode())


def _handles_segmentation_faults():
    """Tell whether this process is called at a segmentation fault, and the file for stacks is still that file."""
    if sys.platform != "linux":
        return True
    caught = re.search(r"^SigCgt:\s*(\w+)", Path("/proc/self/status").read_text(), re.MULTILINE)[1]
    return int(caught, 16) >> (signal.SIGSEGV - 1) & 1 == 1 and os.path.samestat(
        os.fstat(_stacks[0]), os.stat(_stacks[1])
    )


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Note how a process of tests has crashed, and where its threads were."""
    stacks = Path(node.workerinput["stacks"])
    told = stacks.read_text(errors="replace")
    if error:
        code = node.gateway._io.wait()
        _crashed.append(
            f"A process of tests crashed; its test was run again.\n"
            f"{node.gateway.id} ended with exit code {code} after {', '.join(_latest[node.gateway.id])}; {_memory()}\n"
            f"{told or 'no stack: its handler was not called'}"
        )
    elif told:
        _crashed.append(f"{node.gateway.id} did not crash, but: {told}")
    shutil.rmtree(stacks.parent)


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(crashitem, report, sched):
    """Run the test at which a process has crashed once more: it may have been any of those that it ran before."""
    if crashitem not in _begun_again:
        _begun_again.append(crashitem)
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
        print(f"\n{how}")
    if _begun_again:
        print(f"Begun again: {', '.join(_begun_again)}")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a test that is marked ``alone`` in a process of its own, which nothing that it leaves outlives."""
    if pyfuncitem.get_closest_marker("alone") is None or _ALONE in os.environ:
        return None
    signal.alarm(0)  # of the fixture ``deadline``, which the other process has, too
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", pyfuncitem.nodeid]
    done = run_command(command, cwd=pyfuncitem.config.rootpath, seconds=600, **{_ALONE: "1"})
    if re.search(r"^1 skipped", done.stdout, re.MULTILINE):
        pytest.skip(done.stdout)
    assert re.search(r"^1 passed", done.stdout, re.MULTILINE), done.stdout + done.stderr
    return True


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
