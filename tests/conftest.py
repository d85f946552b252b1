"""The package comes first: it repairs basicsr, which test modules import by themselves."""

import pytest

import segsr_arch  # noqa: F401
from tests.cli.runs import forget_logger


@pytest.fixture(autouse=True)
def fresh_log():
    """Give each test a logger of its own: BasicSR sets its up once a process, on the streams of that moment."""
    yield
    forget_logger()
