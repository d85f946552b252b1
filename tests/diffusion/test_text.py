import pytest
import torch

from segsr_arch.captions.budget import clip_tokenizer
from segsr_arch.captions.change import ARROW
from segsr_arch.diffusion.parts.text import VOCABULARY, TextConditioning, TwinTextConditioning


@pytest.fixture(scope="module")
def text():
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return TextConditioning(CLIPTextModel(CLIPTextConfig(**size, vocab_size=VOCABULARY)).eval())


def test_a_caption_of_two_descriptions_is_embedded_as_their_difference(text):
    embedded = text([f"blurred roofs{ARROW}sharp roofs", "sharp roofs", "blurred roofs", ""]).tokens
    assert embedded.shape == (4, 77, 16)
    difference, after, before, nothing = embedded
    assert torch.allclose(difference, after - before + nothing, atol=1e-5)
    assert (difference - after).abs().max() > 0.1
    assert torch.allclose(text([f"a river{ARROW}a river"]).tokens[0], nothing, atol=1e-5)


@pytest.fixture(scope="module")
def twin():
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    size = {"intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": VOCABULARY}
    first = CLIPTextModel(CLIPTextConfig(hidden_size=16, **size)).eval()
    return TwinTextConditioning(
        first, CLIPTextModelWithProjection(CLIPTextConfig(hidden_size=24, projection_dim=20, **size)).eval()
    )


def test_two_encoders_stand_side_by_side_with_their_last_state_but_one_and_the_second_says_the_whole(twin):
    words = twin(["sharp roofs", "a river"])
    assert words.tokens.shape == (2, 77, 40) == (2, 77, twin.width) and words.pooled.shape == (2, 20)
    ids = [49406, *(int(i) for i in clip_tokenizer().encode("a river")), 49407]
    for encoder, padding, part in ((twin.encoder, 49407, slice(16)), (twin.encoder_2, 0, slice(16, 40))):
        filled = torch.tensor([ids + [padding] * (77 - len(ids))])
        with torch.no_grad():
            output = encoder(filled, output_hidden_states=True)
        torch.testing.assert_close(words.tokens[1:, :, part], output.hidden_states[-2])
    torch.testing.assert_close(words.pooled[1:], output.text_embeds)


def test_no_text_is_zero_for_two_encoders_unless_they_were_trained_otherwise(twin):
    words = twin(["sharp roofs", ""])
    assert words.tokens[0].any() and not words.tokens[1].any() and not words.pooled[1].any()
    other = TwinTextConditioning(twin.encoder, twin.encoder_2, zero_silence=False)([""])
    assert other.tokens.any() and other.pooled.any()


def test_a_difference_is_one_of_the_whole_texts_too(twin):
    words = twin([f"blurred roofs{ARROW}sharp roofs", "sharp roofs", "blurred roofs"])
    torch.testing.assert_close(words.pooled[0], words.pooled[1] - words.pooled[2], atol=1e-5, rtol=0)
    torch.testing.assert_close(words.tokens[0], words.tokens[1] - words.tokens[2], atol=1e-5, rtol=0)
