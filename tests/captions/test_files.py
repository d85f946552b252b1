import json
import re
import unicodedata

import pytest

from segsr_arch.captions.files import CaptionRecord, check_captions, read_captions, read_records, write_records
from segsr_arch.errors import DataError

BY_HAND = """\
{"image": "river/river01", "caption": "from blurred roofs to sharp roofs"}

{"caption": "ein Flu\\u00df, klar", "image": "river/river02"}
"""


@pytest.fixture
def by_hand(tmp_path):
    path = tmp_path / "captions.jsonl"
    path.write_text(BY_HAND)
    return path


def test_captions_that_were_written_by_hand(by_hand):
    captions = read_captions(by_hand)
    assert captions == {"river/river01": "from blurred roofs to sharp roofs", "river/river02": "ein Fluß, klar"}
    assert all(record.is_by_hand for record in read_records(by_hand).values())


def test_a_record_comes_back_as_it_was_written_in_the_order_of_names(tmp_path):
    full = CaptionRecord(
        image="b",
        caption="from noise to none",
        lq="noise",
        gt="none",
        model="m (digest 0)",
        prompt="What?",
        rule="change",
        lq_sha256="0" * 64,
        gt_sha256="1" * 64,
        left_out=("a dam", "two boats"),
    )
    path = write_records(tmp_path / "c.jsonl", [full, CaptionRecord(image="a", caption="ä\nb")])
    lines = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {"image": "a", "caption": "ä\nb"}
    assert read_records(path) == {"a": CaptionRecord(image="a", caption="ä\nb"), "b": full}
    assert not full.is_by_hand


def test_names_are_compared_composed(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps({"image": unicodedata.normalize("NFD", "café"), "caption": "x"}))
    check_captions(read_captions(path), [unicodedata.normalize("NFC", "café")], path=path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("river01: blurred", "is no JSON"),
        ('["river01", "blurred"]', "expected an object with image and caption"),
        ('{"image": "a", "captoin": "b"}', "'captoin' is no key of a caption file; did you mean caption?"),
        ('{"image": "a"}', "caption must be a text that is not empty, got None"),
        ('{"image": "a", "caption": " "}', "caption must be a text that is not empty, got ' '"),
        ('{"image": 3, "caption": "b"}', "image must be a text that is not empty, got 3"),
        ('{"image": "a", "caption": "b", "gt": 1}', "gt must be a text, got 1"),
        ('{"image": "a", "caption": "b", "left_out": "c"}', "left_out must be a list of texts, got 'c'"),
        ('{"image": "river/river01", "caption": "b"}', "has a caption in line 1 already; remove one"),
    ],
)
def test_a_line_that_is_wrong_is_named(by_hand, line, message):
    by_hand.write_text(BY_HAND + line)
    with pytest.raises(DataError, match=f"{re.escape(str(by_hand))}, line 4: .*{re.escape(message)}"):
        read_captions(by_hand)


def test_a_file_that_is_not_there_or_empty(tmp_path):
    with pytest.raises(DataError, match="gone.jsonl: cannot be read as a caption file .No such file"):
        read_captions(tmp_path / "gone.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(DataError, match="empty.jsonl: holds no caption; a line"):
        read_captions(tmp_path / "empty.jsonl")


def test_captions_of_other_images_are_refused_with_the_nearest(by_hand):
    captions = read_captions(by_hand)
    check_captions(captions, ["river/river02"], path=by_hand)
    with pytest.raises(DataError, match="is of other images: none of the 2 of the data set has a caption .airport_3"):
        check_captions(captions, ["airport_3", "airport_4"], path=by_hand)
    message = "1 of 2 images have no caption, river/river03 for instance; the nearest is river/river0"
    with pytest.raises(DataError, match=re.escape(message)):
        check_captions(captions, ["river/river02", "river/river03"], path=by_hand)
    with pytest.raises(DataError, match="river/river01.png.* the nearest is river/river01: character 14 is"):
        check_captions(captions, ["river/river01.png"], path=by_hand)
