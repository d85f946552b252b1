from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest

import segsr_arch  # noqa: F401
from segsr_arch.config.hints import fits, hint_text


@pytest.mark.parametrize(
    ("hint", "right", "wrong", "text"),
    [
        (int, [3], [True, 3.0, "3", None], "a whole number"),
        (float, [3, 0.5], [True, "3", None, float("inf")], "a number"),
        (bool, [True], [1, "true"], "true or false"),
        (str | None, ["a", None], [3], "text or ~"),
        (Sequence[int], [[1, 2], (), []], [["a"], [1.5], 3, "12", None], "a list of whole numbers"),
        (int | Sequence[str] | None, [2, ["a"], None], [[2], "a"], "a whole number or a list of texts or ~"),
        (tuple[float, float], [[0.9, 1]], [[0.9], ["a", 1]], "a list of 2 numbers"),
        (tuple[int, ...], [[1], [1, 2, 3]], [["a"]], "a list of whole numbers"),
        (tuple[float | object, float | object], [[0.9, 1]], [[0.9]], "a list of 2 numbers"),
        (str | Mapping[str, Any], ["a", {"a": 1}], [3], "text or a mapping of keys"),
        (Literal["a", "b"], ["a"], ["c"], "a or b"),
        (object, [None, 3, "a"], [], "object"),
    ],
)
def test_annotations(hint, right, wrong, text):
    assert all(fits(value, hint) for value in right)
    assert not any(fits(value, hint) for value in wrong)
    assert hint_text(hint) == text
