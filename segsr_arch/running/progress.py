"""The progress bar of the whole project: a bar on a terminal, elsewhere now and then a line."""

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    _Bar = tqdm[Any]
else:
    _Bar = tqdm  # which takes no parameter at runtime

LINE_SECONDS = 30.0
"""Least time between two lines where the output is no terminal."""


class _Lines(_Bar):
    """A bar that writes whole lines: at most one every half minute, and one at its end."""

    _time: Callable[[], float]  # of tqdm, and so is the next
    _decr_instances: Callable[[Any], None]
    _written_at: float | None = None
    _written_count: float | None = None

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write a line if it is time; tqdm calls this at the start and after updates, and others' messages."""
        now = self._time()
        if self._written_at is None:  # nothing has been done yet
            self._written_at = now
        elif now - self._written_at >= LINE_SECONDS:
            self._written_at = now
            self._write_line()

    def clear(self, nolock: bool = False) -> None:
        """Do nothing: a line that is written stays."""

    def close(self) -> None:
        """Write the last line, unless it is there."""
        if not self.disable:
            self.disable = True
            self._decr_instances(self)
            if self.n != self._written_count:
                self._write_line()

    def _write_line(self) -> None:
        self._written_count = self.n
        print(str(self), file=self.fp, flush=True)


def progress(
    iterable: Iterable[Any] | None = None,
    *,
    what: str | None = None,
    unit: str,
    total: int | None = None,
    initial: int = 0,
    abbreviated: bool = False,
    keep: bool = True,
    shown: bool = True,
) -> "tqdm[Any]":
    """Show how far something is, on stderr: what is done of how much, the rate, the time left.

    On a terminal it is a bar; elsewhere a line at most every half minute, and one at the end.

    Args:
        iterable: What is gone through; ``None`` if the caller calls ``update``.
        what: What is going on, before the figures.
        unit: What is counted, in the singular.
        total: How many there are; ``None`` takes the length of ``iterable``.
        initial: How many were done before; they do not count for the rate.
        abbreviated: Whether counts and rate are written as 1.23k or 4.56M, as for pixels or bytes.
        keep: Whether the bar stays on the terminal when all is done; lines always stay.
        shown: Whether anything is shown at all.

    Returns:
        An iterable, and a context manager with ``update``, ``set_description`` and ``close``. A message that is to
        stand above the bar is written with ``tqdm.write``.
    """
    options: dict[str, Any] = {"total": total, "initial": initial, "desc": what, "disable": not shown}
    options |= {"unit": unit, "unit_scale": abbreviated}
    if sys.stderr.isatty():
        return tqdm(iterable, **options, leave=keep)
    # miniters: or tqdm would guess from the pace so far how many updates to pass over
    return _Lines(iterable, **options, file=sys.stderr, mininterval=LINE_SECONDS, miniters=1, ncols=0)


def bar_for_others(
    *,
    total: int | None,
    unit: str,
    desc: str | None = None,
    disable: bool = False,
    unit_scale: bool = False,
    unit_divisor: int = 1000,
    ncols: int | None = None,
) -> "tqdm[Any]":
    """Stand in for ``tqdm`` in modules of others, called as they call it; the last two arguments change nothing."""
    return progress(total=total, unit=unit, what=desc, abbreviated=unit_scale, shown=not disable)
