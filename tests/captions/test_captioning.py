import dataclasses
import json

import pytest

from segsr_arch.captions import captioning
from segsr_arch.captions.budget import TokenBudget, clip_tokens
from segsr_arch.captions.captioning import RULES, ImagePair, caption_images
from segsr_arch.captions.files import CaptionRecord, read_records, write_records
from segsr_arch.errors import DataError
from segsr_arch.freezing import FrozenIdentity
from segsr_arch.results.references import ImageReference
from segsr_arch.weights.digests import file_digest
from tests.support import make_image, write_image

MODEL = "fake with weights none (digest 0), at most 9 tokens"


@dataclasses.dataclass
class Captioner:
    """Says how large an image is, and counts."""

    says: str = "{quality} image of {width} pixels, a river"
    prompt: str | None = "What?"
    most_tokens: int = 9
    seen: list = dataclasses.field(default_factory=list)
    fails_at: int | None = None
    identity = FrozenIdentity(name="fake", source="none", digest="0")

    def describe(self, image):
        if len(self.seen) == self.fails_at:
            raise KeyboardInterrupt
        self.seen.append(image.shape)
        return self.says.format(quality="Blurry" if image.shape[0] < 10 else "Sharp", width=image.shape[1])


@pytest.fixture
def pairs(tmp_path):
    made = []
    for number in range(4):
        hr = write_image(tmp_path / f"HR/{number}.png", make_image(number, 16, 16))
        lq = write_image(tmp_path / f"LR/{number}.png", make_image(number, 4, 4))
        made.append(ImagePair(name=str(number), lq=ImageReference(path=str(lq)), gt=ImageReference(path=str(hr))))
    return made


def without_gt(pairs):
    return [dataclasses.replace(pair, gt=None) for pair in pairs]


def make(pairs, path, captioner=None, *, difference="text", style="8k", overwrite=False):
    captioner = captioner or Captioner()
    budget = TokenBudget(style=style)
    outcome = caption_images(pairs, lambda: captioner, path, difference=difference, budget=budget, overwrite=overwrite)
    return outcome, len(captioner.seen)


def test_a_record_says_how_the_caption_came_about(pairs, tmp_path):
    path = tmp_path / "captions.jsonl"
    outcome, described = make(pairs, path)
    assert (outcome.made, outcome.kept, described, outcome.problems, outcome.cut) == (4, 0, 8, [], [])
    assert read_records(path)["2"] == CaptionRecord(
        image="2",
        caption="from blurry image of 4 pixels to sharp image of 16 pixels, a river",
        lq="Blurry image of 4 pixels, a river",
        gt="Sharp image of 16 pixels, a river",
        model=MODEL,
        prompt="What?",
        rule=RULES["text", True],
        lq_sha256=file_digest(tmp_path / "LR/2.png"),
        gt_sha256=file_digest(tmp_path / "HR/2.png"),
    )
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["captions.jsonl"]


def test_from_lr_alone(pairs, tmp_path):
    _, described = make(without_gt(pairs), tmp_path / "c.jsonl")
    record = read_records(tmp_path / "c.jsonl")["0"]
    assert described == 4 and record.gt is None and record.gt_sha256 is None
    assert record.caption == "from blurry image of 4 pixels to clear image of 4 pixels, a river"
    assert "opposites" in record.rule


@pytest.mark.parametrize("difference", ["text", "embedding"])
def test_descriptions_in_a_language_without_spaces_are_cut_and_not_emptied(pairs, tmp_path, difference):
    path = tmp_path / "c.jsonl"
    outcome, _ = make(pairs, path, Captioner(says="{width}" + "模糊的屋顶" * 50), difference=difference)
    assert (outcome.made, outcome.problems) == (4, []) and outcome.cut == ["0", "1", "2", "3"]
    for record in read_records(path).values():
        assert "4模糊的屋顶" in record.caption and "16模糊的屋顶" in record.caption
        assert all(clip_tokens(f"8k, {side}") <= 77 for side in record.caption.split(" => "))


def test_an_image_of_which_no_word_is_said_is_a_problem_and_the_file_is_read_again(pairs, tmp_path):
    class Speechless(Captioner):
        def describe(self, image):
            said = super().describe(image)
            return "," if len(self.seen) in (3, 4) else said

    path = tmp_path / "c.jsonl"
    outcome, _ = make(pairs, path, Speechless())
    assert outcome.made == 3 and list(read_records(path)) == ["0", "2", "3"]
    (problem,) = outcome.problems
    assert problem.startswith("1: no caption can be made of what the model says (',' and ',')")
    assert "--prompt" in problem


def test_an_interrupted_run_goes_on_where_it_was(pairs, tmp_path):
    path = tmp_path / "c.jsonl"
    with pytest.raises(KeyboardInterrupt):
        make(pairs, path, Captioner(fails_at=5))
    assert list(read_records(path)) == ["0", "1"]
    outcome, described = make(pairs, path)
    assert (outcome.made, outcome.kept, described) == (2, 2, 4)
    written = path.read_bytes()
    outcome, described = make(pairs, path)
    assert (outcome.made, outcome.kept, described) == (0, 4, 0) and path.read_bytes() == written
    whole = tmp_path / "whole.jsonl"
    make(pairs, whole)
    assert whole.read_bytes() == written


def test_the_file_is_whole_while_images_are_described(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(captioning, "SAVE_SECONDS", 0)
    path, found = tmp_path / "c.jsonl", []

    class Watching(Captioner):
        def describe(self, image):
            found.append(len(read_records(path)) if path.exists() else 0)
            return super().describe(image)

    make(pairs, path, Watching())
    assert found == [0, 0, 1, 1, 2, 2, 3, 3]


def test_other_captions_of_the_same_descriptions_cost_no_model(pairs, tmp_path):
    path = tmp_path / "c.jsonl"
    make(pairs, path)
    outcome, described = make(pairs, path, difference="embedding")
    assert (outcome.kept, described) == (4, 0)
    record = read_records(path)["1"]
    assert record.caption == f"{record.lq} => {record.gt}" and record.rule == RULES["embedding", True]


def test_an_hr_image_that_is_added_is_described_alone(pairs, tmp_path):
    path = tmp_path / "c.jsonl"
    make(without_gt(pairs), path)
    outcome, described = make(pairs, path)
    assert (outcome.made, described) == (4, 4)
    assert read_records(path)["0"].caption.startswith("from blurry image of 4 pixels to sharp image of 16")
    with pytest.raises(DataError, match="HR images then, none now"):
        make(without_gt(pairs), path)


def test_captions_by_hand_and_of_other_images_stay(pairs, tmp_path):
    by_hand = [CaptionRecord(image="1", caption="mine"), CaptionRecord(image="elsewhere", caption="too")]
    path = write_records(tmp_path / "c.jsonl", by_hand)
    outcome, described = make(pairs, path)
    assert (outcome.by_hand, outcome.others, outcome.made, described) == (1, 1, 3, 6)
    records = read_records(path)
    assert [records[record.image] for record in by_hand] == by_hand and len(records) == 5
    outcome, _ = make(pairs, path, overwrite=True)
    assert outcome.made == 1 and read_records(path)["1"].model == MODEL


@pytest.mark.parametrize(
    ("captioner", "message"),
    [
        (Captioner(prompt="Why?"), "prompt: 'What[?]' then, 'Why[?]' now"),
        (Captioner(most_tokens=3), "model: 'fake .*at most 9 tokens' then, 'fake .*at most 3 tokens' now"),
    ],
)
def test_two_models_or_prompts_are_not_mixed(pairs, tmp_path, captioner, message):
    path = tmp_path / "c.jsonl"
    make(pairs[:2], path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=f"c.jsonl: the caption of 0 was made with other settings .{message}"):
        make(pairs, path, captioner)
    assert path.read_bytes() == before and captioner.seen == []
    outcome, described = make(pairs, path, captioner, overwrite=True)
    assert (outcome.made, described) == (4, 8)


def test_an_image_that_changed_keeps_its_caption_until_it_is_to_be_replaced(pairs, tmp_path):
    path = tmp_path / "c.jsonl"
    make(pairs, path)
    before = path.read_bytes()
    write_image(tmp_path / "LR/3.png", make_image(9, 4, 5))
    outcome, described = make(pairs, path)
    assert described == 0 and path.read_bytes() == before
    assert len(outcome.problems) == 1 and "LR/3.png: is not the image that was described" in outcome.problems[0]
    outcome, described = make(pairs, path, overwrite=True)
    assert (outcome.made, outcome.kept, described) == (1, 3, 1)
    assert "of 5 pixels" in read_records(path)["3"].caption


def test_images_without_a_caption_are_named(pairs, tmp_path):
    (tmp_path / "HR/1.png").write_bytes(b"no image")
    outcome, _ = make(pairs, tmp_path / "c.jsonl")
    assert list(read_records(tmp_path / "c.jsonl")) == ["0", "2", "3"]
    assert len(outcome.problems) == 1 and "HR/1.png" in outcome.problems[0]
    with pytest.raises(DataError, match="(?s)No image could be described:.*LR/0.png: the model says nothing of it"):
        make(pairs, tmp_path / "d.jsonl", Captioner(says=" "))
    assert not (tmp_path / "d.jsonl").exists()


def test_long_descriptions_are_cut_and_reported(pairs, tmp_path):
    captioner = Captioner(says=" ".join(f"{{quality}} block {number} of {{width}} pixels." for number in range(75)))
    outcome, _ = make(pairs[:1], tmp_path / "c.jsonl", captioner, style="clean, high-resolution, 8k")
    record = read_records(tmp_path / "c.jsonl")["0"]
    assert outcome.cut == ["0"] and len(record.left_out) > 100 and len(record.gt.split()) == 75 * 6
    assert clip_tokens(f"clean, high-resolution, 8k, {record.caption}") <= 77
    assert json.loads((tmp_path / "c.jsonl").read_text())["left_out"] == list(record.left_out)


def test_a_file_that_is_none_of_captions_is_told_before_a_model_is_loaded(pairs, tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text("name,caption\n")

    def load():
        raise AssertionError("loaded")

    with pytest.raises(DataError, match="c.jsonl, line 1: is no JSON"):
        caption_images(pairs, load, path, difference="text", budget=TokenBudget())
    assert path.read_text() == "name,caption\n"
