"""How large a campaign is, and what became of it."""

import math
import os
import random
import time

PROPERTY = "campaign"
SHARE = float(os.environ.get("CAMPAIGN", "0.1"))
"""Which part of the whole campaign is tried: a tenth with all other tests, 1 by ``make campaign``."""
SEED = int(os.environ.get("CAMPAIGN_SEED", "0"))


def shared(count):
    """The share of a count, at least one."""
    return max(1, math.ceil(count * SHARE))


def series(count, *, each):
    """Share a count among parametrised tests: a list of (number of the test, how much it tries)."""
    left, sizes = shared(count), []
    while left > 0:
        sizes.append(min(each, left))
        left -= sizes[-1]
    return list(enumerate(sizes))


def dice(*key):
    """A generator of random numbers for one attempt, the same in each campaign with the same ``CAMPAIGN_SEED``."""
    return random.Random(f"{SEED}/{'/'.join(map(str, key))}")


class Tally:
    """What one test tried.

    Attributes:
        what: What is tried, a row of the table at the end.
        tried: How many attempts were made.
        lost: A line for each that did not survive.
    """

    def __init__(self):
        self.what, self.tried, self.lost = "", 0, []
        self._lost = 0
        self._since = time.monotonic()

    def survived(self, what, count=1):
        """Count attempts that ended as they should."""
        self.what, self.tried = what, self.tried + count

    def failed(self, what, key, reason):
        """Count an attempt that did not, with the key that repeats it."""
        self.series(what, 1, key, [reason])

    def series(self, what, count, key, bad):
        """Count attempts that build on one another: all of them are lost if anything is wrong in the end."""
        self.survived(what, count)
        self._lost += count if bad else 0
        if bad:
            self.lost.append(f"{key}: {'; '.join(bad)}")

    @property
    def told(self):
        """What was lost, for the message of a test."""
        return f"{self._lost} of {self.tried} lost:\n" + "\n".join(self.lost)

    def row(self):
        """The test's part of the table."""
        return [self.what, self.tried, self.tried - self._lost, time.monotonic() - self._since]
