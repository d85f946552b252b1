import sys

import pytest
from tqdm import tqdm

from segsr_arch.running.progress import progress


def steps(bar, seconds, count):
    """Let a bar see so many updates, each after so many seconds; tqdm has bound the clock when it was imported."""
    now = [0.0]
    bar._time = lambda: now[0]
    bar.start_t = bar.last_print_t = bar._written_at = 0.0
    for _ in range(count):
        now[0] += seconds
        bar.update()
        yield


def test_a_line_every_half_minute_and_a_last_one(capsys):
    with progress(total=1000, unit="image", what="writing") as bar:
        for _ in steps(bar, 0.1, 700):
            pass
    text = capsys.readouterr().err
    lines = text.splitlines()
    assert [line.split(" [")[0] for line in lines] == [
        "writing:  30% 300/1000",
        "writing:  60% 600/1000",
        "writing:  70% 700/1000",
    ]
    assert "[00:30<01:10, 10.0" in lines[0] and "image/s]" in lines[0] and "\r" not in text


def test_slow_work_is_told_when_it_moves_and_never_between(capsys):
    with progress(total=3, unit="run", what="table4") as bar:
        for _ in steps(bar, 100, 3):
            tqdm.write("a message", file=sys.stderr)
    assert [line.split(" [")[0] for line in capsys.readouterr().err.splitlines()] == [
        "table4:  33% 1/3",
        "a message",
        "table4:  67% 2/3",
        "a message",
        "table4: 100% 3/3",
        "a message",
    ]


def test_pixels_are_counted_in_millions_a_second_and_what_was_done_before_does_not_count_for_the_rate(capsys):
    with progress(total=400_000_000, initial=100_000_000, unit="px", what="scene", abbreviated=True) as bar:
        for now in range(10, 61, 10):
            bar._time = lambda now=now: now
            if now == 10:
                bar.start_t = bar.last_print_t = bar._written_at = 0.0
            bar.update(20_000_000)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "scene:  40% 160M/400M [00:30<02:00, 2.00Mpx/s]"
    assert last.startswith("scene:  55% 220M/400M [01:00<01:30, 2.00Mpx/s")


def test_what_is_iterated_over_comes_through_and_quick_work_is_one_line(capsys):
    assert list(progress(iter("abc"), total=3, unit="file")) == ["a", "b", "c"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("100% 3/3 [00:00")


def test_work_that_fails_says_how_far_it_came(capsys):
    with pytest.raises(ValueError, match="broken"), progress(total=5, unit="image", what="compare") as bar:
        bar.update(2)
        raise ValueError("broken")
    assert capsys.readouterr().err.startswith("compare:  40% 2/5")


def test_on_a_terminal_it_is_a_bar_that_may_go(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    for _ in progress(range(3), unit="image", what="inspecting", keep=False):
        pass
    text = capsys.readouterr().err
    assert "inspecting:   0%|" in text and text.endswith("\r")


def test_not_shown_is_silent(capsys):
    assert list(progress(range(3), unit="image", shown=False)) == [0, 1, 2]
    assert capsys.readouterr().err == ""
