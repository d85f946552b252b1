import pytest
import torch

from segsr_arch.captions.change import ARROW
from segsr_arch.diffusion.text import VOCABULARY, TextConditioning


@pytest.fixture(scope="module")
def text():
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return TextConditioning(CLIPTextModel(CLIPTextConfig(**size, vocab_size=VOCABULARY)).eval())


def test_a_caption_of_two_descriptions_is_embedded_as_their_difference(text):
    embedded = text([f"blurred roofs{ARROW}sharp roofs", "sharp roofs", "blurred roofs", ""])
    assert embedded.shape == (4, 77, 16)
    difference, after, before, nothing = embedded
    assert torch.allclose(difference, after - before + nothing, atol=1e-5)
    assert (difference - after).abs().max() > 0.1
    assert torch.allclose(text([f"a river{ARROW}a river"])[0], nothing, atol=1e-5)
