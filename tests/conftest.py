"""The package comes first: it repairs basicsr, which test modules import by themselves."""

import signal
import subprocess

import hypothesis
import pytest

import segsr_arch  # noqa: F401
from tests.cli.runs import forget_logger

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("any_machine", deadline=None)
hypothesis.settings.load_profile("any_machine")


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
