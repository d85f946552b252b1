from collections import Counter

import pytest

from segsr_arch.errors import DataError
from segsr_arch.preparation.splits import (
    SPLITS,
    count_of,
    published_lists,
    read_splits,
    seeded_order,
    split_by_rule,
)
from segsr_arch.sources.name_lists import read_split_list
from tests.support import SHARED_DATA


def test_published_ucmerced_lists_have_the_stated_counts():
    listed = read_splits(published_lists("ucmerced"))
    assert Counter(listed.values()) == {"train": 1470, "val": 105, "test": 525}
    per_class = Counter((split, name.split("/")[0]) for name, split in listed.items())
    assert {split: {n for (s, _), n in per_class.items() if s == split} for split in SPLITS} == {
        "train": {70},
        "val": {5},
        "test": {25},
    }
    assert len({name.split("/")[0] for name in listed}) == 21


def test_published_val_list_follows_from_the_seeded_rule():
    listed = read_splits(published_lists("ucmerced"))
    pool = [name for name, split in listed.items() if split != "test"]
    assert split_by_rule(pool, val=5, test=0, seed=0) == {name: listed[name] for name in pool}


def test_published_lists_keep_the_known_twins_together():
    listed = read_splits(published_lists("ucmerced"))
    assert listed["airplane/airplane01"] == listed["airplane/airplane02"] == "train"


def test_published_lists_are_the_shared_ones():
    folder = SHARED_DATA / "ucmerced"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    files = published_lists("ucmerced")
    lists = {split: read_split_list(files[split]) for split in SPLITS}
    assert lists["test"] == read_split_list(folder / "test.txt")
    assert sorted(lists["train"] + lists["val"]) == read_split_list(folder / "train.txt")


def test_seeded_order_is_the_documented_digest_and_ignores_the_input_order():
    # printf 0:a | sha256sum begins with 9d, of 0:b with e0, of 0:c with be, of 0:d with 7d.
    names = ["a", "b", "c", "d"]
    assert seeded_order(names, 0) == seeded_order(names[::-1], 0) == ["d", "a", "c", "b"]
    assert seeded_order(names, 0) != seeded_order(names, 1)


def test_rule_takes_test_first_then_val_in_each_class():
    names = [f"{group}/{number}" for group in "xy" for number in range(50)] + ["z/0"]
    chosen = split_by_rule(names, val=5, test=0.2, seed=3)
    counts = Counter((name[0], split) for name, split in chosen.items())
    assert counts == {
        **{("x", "test"): 10, ("x", "val"): 5, ("x", "train"): 35},
        **{("y", "test"): 10, ("y", "val"): 5, ("y", "train"): 35},
        ("z", "val"): 1,
    }
    order = seeded_order([name for name in names if name[0] == "x"], 3)
    assert [chosen[name] for name in order] == ["test"] * 10 + ["val"] * 5 + ["train"] * 35
    assert chosen == split_by_rule(names[::-1], val=5, test=0.2, seed=3)


@pytest.mark.parametrize(("amount", "total", "count"), [(0.1, 10, 1), (0.3, 10, 3), (0.2, 4, 0), (5, 3, 3), (0, 9, 0)])
def test_amounts(amount, total, count):
    assert count_of(amount, total) == count


def test_lists_take_endings_comments_and_blank_lines(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# mine\na/1.tif\n\n  a/2.5  \nb/3.JPG\n")
    assert read_split_list(path) == ["a/1", "a/2.5", "b/3"]


def test_bad_lists_are_named(tmp_path):
    path = tmp_path / "list.txt"
    with pytest.raises(DataError, match="list.txt: cannot be read"):
        read_split_list(path)
    path.write_text("# nothing\n")
    with pytest.raises(DataError, match="list.txt: an empty split list"):
        read_split_list(path)
    path.write_text("a/1\na/1.png\n")
    with pytest.raises(DataError, match="list.txt: lists a/1 twice"):
        read_split_list(path)
    path.write_text("a/1\n")
    with pytest.raises(DataError, match="a/1 is on the train list too"):
        read_splits({"train": path, "val": path})
