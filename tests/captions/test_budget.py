import open_clip
import pytest

from segsr_arch.captions.budget import STYLE, FittedText, TokenBudget, clip_tokens
from segsr_arch.errors import ConfigError


def count_words(text):
    return len(text.split())


@pytest.fixture
def words():
    """A budget of eight words, of which one is of style."""
    return TokenBudget(style="8k", limit=8, count=count_words)


def test_tokens_are_counted_as_clip_does():
    text = "from hazy, blurred roofs to sharp roofs"
    ids = open_clip.SimpleTokenizer(context_length=77)(text)[0]
    assert clip_tokens(text) == int((ids != 0).sum())
    assert clip_tokens("") == 2


def test_style_survives_a_caption_of_300_words():
    sentences = [f"Block {number} has a grey roof, two trees, a parked car and a narrow road." for number in range(20)]
    caption = " ".join(sentences)
    assert count_words(caption) == 300
    fitted = TokenBudget().fit(caption)
    assert fitted.text.startswith(f"{STYLE}, Block 0 has a grey roof")
    assert clip_tokens(fitted.text) <= 77
    # what open_clip's own cut would have left of it is the whole text
    ids = open_clip.SimpleTokenizer(context_length=77)(fitted.text)[0].tolist()
    assert open_clip.SimpleTokenizer().decode(ids).startswith("<start_of_text>clean , high - resolution , 8 k ")
    assert ids[clip_tokens(fitted.text) - 1] == 49407
    # whole sentences, then whole phrases; nothing is lost without a word
    assert fitted.text.removeprefix(f"{STYLE}, ").startswith(" ".join(sentences[:2]))
    said = f"{fitted.text.removeprefix(f'{STYLE}, ')} {' '.join(fitted.left_out)}"
    assert said.replace(",", "").split() == caption.replace(",", "").split()
    assert fitted.text.endswith((".", "roof", "trees", "car and a narrow road"))


def test_a_short_caption_is_left_as_it_is_on_one_line(words):
    assert words.fit("red  roofs,\nblue lakes") == FittedText(text="8k, red roofs, blue lakes")
    assert words.shorten("red roofs") == FittedText(text="red roofs")
    assert words.fit("") == FittedText(text="8k")
    assert TokenBudget(style="").fit("red roofs").text == "red roofs"


def test_whole_sentences_then_whole_phrases(words):
    assert words.fit("Red roofs. Three boats, one very long pier, two cars: parked. A dam.") == FittedText(
        text="8k, Red roofs. Three boats", left_out=("one very long pier", "two cars", "parked.", "A dam.")
    )
    assert words.fit("Red roofs. Three boats lie at one long pier.") == FittedText(
        text="8k, Red roofs.", left_out=("Three boats lie at one long pier.",)
    )


def test_words_are_cut_only_where_the_first_phrase_is_too_long(words):
    fitted = words.fit("one two three four five six seven eight nine, ten. Eleven.")
    assert fitted == FittedText(
        text="8k, one two three four five six seven", left_out=("eight nine", "ten.", "Eleven.")
    )


@pytest.mark.parametrize("caption", ["x" * 400, "屋顶很模糊" * 40, "河" * 200 + " river"])
def test_a_word_that_is_too_long_is_cut_itself(caption):
    budget = TokenBudget(style="8k")
    fitted = budget.shorten(caption)
    assert fitted.text + "".join(fitted.left_out) == caption
    assert 70 < clip_tokens(f"8k, {fitted.text}") <= 77
    assert budget.fit(caption).text == f"8k, {fitted.text}"


def test_style_words_that_are_too_long_are_refused():
    with pytest.raises(ConfigError, match="the style words 'very .* are 82 tokens long.* reads 77; shorten them"):
        TokenBudget(style="very " * 80)
