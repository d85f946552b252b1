"""Places in an option file that problems are reported at."""

import pytest

from segsr_arch.config.problems import Problems
from segsr_arch.errors import ConfigError


def test_a_place_reports_into_the_list_that_it_came_from():
    problems = Problems()
    here = problems.at("val", "metrics").at("psnr")
    here.at("scale").add("is wrong")
    here.unknown("crop_bordr", ["crop_border"])
    problems.add("cannot be used")
    assert problems.lines == [
        "val:metrics:psnr:scale: is wrong",
        "val:metrics:psnr: unknown key; did you mean crop_border?",
        "cannot be used",
    ]
    assert here.path == "val:metrics:psnr" and here.lines is problems.lines


def test_a_place_is_ok_as_long_as_nothing_is_reported_at_it_or_below():
    problems = Problems()
    problems.at("val", "metrics", "psnr", "scale").add("is wrong")
    assert not problems.ok and not problems.at("val").ok and not problems.at("val", "metrics", "psnr").ok
    assert problems.at("val", "metrics", "ssim").ok and problems.at("val", "metrics", "psn").ok
    assert problems.at("val", "metrics", "psnr", "scale", "deeper").ok and problems.at("train").ok
    problems.at("train").add("needs a loss")
    assert problems.at("train", "pixel_opt").ok and not problems.at("train").ok


def test_keys_that_are_no_text_are_places_too_and_notes_are_no_problems():
    problems = Problems()
    problems.at("datasets", 3).note("holds folders")
    assert problems.notes == ["datasets:3: holds folders"] and problems.ok


def test_a_key_without_a_name_leaves_no_colon():
    problems = Problems()
    problems.at("").add("unknown key")
    problems.at("val", "").add("unknown key")
    assert problems.lines == ["unknown key", "val: unknown key"]


def test_the_same_is_said_once_but_the_place_stays_wrong():
    problems = Problems()
    for _ in range(2):
        problems.at("scale").add("is missing")
    assert problems.lines == ["scale: is missing"] and not problems.at("scale").ok


def test_what_a_trial_raises_is_reported_and_memory_is_let_through():
    here = Problems().at("train", "pixel_opt")
    with here.trying("cannot be built"):
        raise TypeError("no such weight\nand more")
    assert here.lines == ["train:pixel_opt: cannot be built (TypeError: no such weight)"]
    with pytest.raises(MemoryError), here.trying("cannot be built"):
        raise MemoryError


def test_images_are_named_up_to_a_number_and_not_at_all_where_the_run_names_them():
    texts = [f"{n}.png is damaged" for n in range(5)]
    problems, passing = Problems(), Problems(passes_images=True)
    problems.at("datasets", "val").add_images(texts, "images that cannot be read")
    passing.at("datasets", "val").add_images(texts, "images that cannot be read")
    assert (
        problems.lines[-1] == "datasets:val: there are 2 more images that cannot be read" and len(problems.lines) == 4
    )
    assert passing.ok
    with pytest.raises(ConfigError, match="some.yml: 4 problems"):
        problems.raise_if_any("some.yml")
