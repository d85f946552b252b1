"""How much a YAML text becomes: depth and number of values, counted without making them."""

from collections.abc import Iterable
from typing import Any, NoReturn

import yaml
from yaml.composer import ComposerError

DEEPEST = 50
"""Sections and lists within one another; the deepest option file has six."""

MOST = 100_000
"""Values and keys once all aliases stand for what they refer to; a long text counts as several."""

_LETTERS = 100  # of a text that count as one value


def check_extent(events: Iterable[yaml.Event]) -> None:
    """Refuse a text that becomes too much: it is nested too deep, or its aliases multiply.

    Args:
        events: What a parser makes of the text; they are taken one by one, and no more than needed.

    Raises:
        yaml.MarkedYAMLError: If it is too much, or an alias stands within what it refers to.
    """
    extents: dict[str | None, int | None] = {}  # by anchor; None as long as it is not at its end
    anchors: list[str | None] = []
    counts = [0]
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            if len(anchors) == DEEPEST:
                _refuse(event, f"more than {DEEPEST} sections and lists stand within one another here")
            anchors.append(event.anchor)
            counts.append(1)
            extents[event.anchor] = None
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            count, anchor = counts.pop(), anchors.pop()
            extents[anchor] = count
        elif isinstance(event, yaml.ScalarEvent):
            count = 1 + len(event.value) // _LETTERS
            extents[event.anchor] = count
        elif isinstance(event, yaml.AliasEvent):
            known = extents.get(event.anchor, 1)  # that it is not known is told when it is looked up
            if known is None:
                _refuse(event, f"*{event.anchor} stands within what it refers to")
            count = known
        else:
            continue
        counts[-1] += count
        if counts[-1] > MOST:
            _refuse(event, f"here the file has become more than {MOST} values, because aliases (*name) multiply them")


def _refuse(event: yaml.Event, problem: str) -> NoReturn:
    mark: Any = event.start_mark  # of either of two parsers
    raise ComposerError(None, None, problem, mark)
