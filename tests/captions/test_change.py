import hashlib

import pytest
import torch

from segsr_arch.captions.budget import TokenBudget, clip_tokens
from segsr_arch.captions.change import ARROW, change_caption, embed_captions, fit_caption, restored

LQ = "Hazy, blurred roofs. A river, a bridge."
GT = "Sharp red roofs with chimneys, a river, a bridge. Cars on the bridge."


def text_of(lq, gt, **budget):
    return change_caption(lq, gt, difference="text", budget=TokenBudget(**budget)).text


def test_the_change_comes_first_and_what_is_common_once():
    assert text_of(LQ, GT) == (
        "from hazy, blurred roofs to sharp red roofs with chimneys, cars on the bridge, a river, a bridge"
    )
    assert text_of("Noisy image. A HARBOUR.", "Clean image. A harbour.") == "from noisy image to clean image, a harbour"


@pytest.mark.parametrize(
    ("lq", "gt", "text"),
    [
        ("a river, a dam", "A river. A dam.", "a river, a dam"),
        ("a river", "a river, a dam", "a dam, a river"),
        ("noise, a river", "a river", "from noise, a river to a river"),
        ("NIR band", "SAR band", "from NIR band to SAR band"),
    ],
)
def test_descriptions_of_which_one_says_nothing_else(lq, gt, text):
    assert text_of(lq, gt) == text


def test_a_long_change_keeps_both_sides_and_room_for_style():
    lq = " ".join(f"Blurred block {number}, grey and dim." for number in range(60))
    gt = " ".join(f"Sharp block {number}, bright and red." for number in range(60))
    budget = TokenBudget()
    change = change_caption(lq, gt, difference="text", budget=budget)
    before, after = change.text.removeprefix("from ").split(" to ")
    assert before.startswith("blurred block 0, grey and dim, blurred block 1")
    assert after.startswith("sharp block 0, bright and red, sharp block 1")
    assert abs(before.count(",") - after.count(",")) <= 1
    fitted = budget.fit(change.text)
    assert fitted.left_out == () and 70 <= clip_tokens(fitted.text) <= 77
    assert len(change.left_out) + before.count(",") + after.count(",") + 2 == 60 * 2 * 2


def test_two_phrases_of_150_words_each_keep_their_beginnings():
    change = change_caption("dim " * 150, "bright " * 150, difference="text", budget=TokenBudget())
    before, after = change.text.removeprefix("from ").split(" to ")
    assert 20 < before.count("dim") < 75 and 20 < after.count("bright") < 75
    assert TokenBudget().reads(change.text)
    assert " ".join(change.left_out).count("dim") + before.count("dim") == 150


def test_without_ground_truth_poor_quality_becomes_its_opposite():
    assert restored("A blurry, noisy picture; an out-of-focus ship") == "A clear, clean picture; an in-focus ship"
    assert restored("Blurry field with noise. A unsharp edge, a hazy one") == (
        "Clear field without noise. A sharp edge, a clear one"
    )
    assert restored("An unclear road, a blurrier blurrycorn") == "A clear road, a blurrier blurrycorn"
    assert text_of("A grainy field, two barns", None) == "from a grainy field to a clean field, two barns"
    assert text_of("A field, two barns", None) == "A field, two barns"
    for lq, caption in (("A field", "A field"), ("A blurry field", f"A blurry field{ARROW}A clear field")):
        assert change_caption(lq, None, difference="embedding", budget=TokenBudget()).text == caption


def encode(texts):
    """A text encoder: (N, 4, 3), the same for the same text."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") for text in texts]
    return torch.stack([torch.randn(4, 3, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def test_a_difference_of_embeddings():
    caption = change_caption(LQ, GT, difference="embedding", budget=TokenBudget()).text
    assert caption == f"{LQ}{ARROW}{GT}"
    embeddings = embed_captions(encode, ["plain", caption, ""])
    before, after, nothing, plain = encode([LQ, GT, "", "plain"])
    assert torch.equal(embeddings[0], plain) and torch.equal(embeddings[2], nothing)
    assert torch.allclose(embeddings[1], after - before + nothing, atol=1e-6)


def test_no_change_is_embedded_as_no_text():
    same = embed_captions(encode, [f"a river{ARROW}a river"])
    assert torch.allclose(same[0], encode([""])[0], atol=1e-6)


def test_style_words_belong_to_what_is_wanted():
    budget = TokenBudget(style="8k")
    assert fit_caption("red roofs", budget).text == "8k, red roofs"
    fitted = fit_caption(f"dim{ARROW}{'A bright roof. ' * 40}", budget)
    assert fitted.text.startswith(f"dim{ARROW}8k, A bright roof. A bright") and len(fitted.left_out) > 10
    assert clip_tokens(fitted.text.split(ARROW)[1]) <= 77


def test_both_sides_of_a_difference_are_cut_and_reported():
    long = " ".join(f"Block {number} has a roof." for number in range(60))
    change = change_caption(long, "sharp => clear", difference="embedding", budget=TokenBudget())
    before, after = change.text.split(ARROW)
    assert after == "sharp to clear" and clip_tokens(before) <= 77 and before.startswith("Block 0 has a roof.")
    assert f"{before} {' '.join(change.left_out)}" == long
