"""At the end of a campaign: what was tried, how much of it survived, and how long it took."""

from collections import defaultdict

import pytest

from tests.campaign.tally import PROPERTY, Tally


@pytest.fixture
def tally(record_property):
    """Counts what one test tries, for the table at the end."""
    found = Tally()
    yield found
    record_property(PROPERTY, found.row())


def pytest_terminal_summary(terminalreporter):
    rows = defaultdict(lambda: [0, 0, 0.0])
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == PROPERTY and report.when == "teardown":
                    what, tried, survived, seconds = value
                    for index, part in enumerate((tried, survived, seconds)):
                        rows[what][index] += part
    if rows:
        terminalreporter.section("campaign")
        terminalreporter.write_line(f"{'':34}{'tried':>8}{'survived':>10}{'seconds':>9}")
        for what, (tried, survived, seconds) in sorted(rows.items()):
            terminalreporter.write_line(f"{what:34}{tried:8}{survived:10}{seconds:9.0f}")
