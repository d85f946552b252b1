"""Models of random weights that describe images: a LLaVA and a BLIP of transformers, a CoCa of open_clip."""

import json

import torch

WORDS = ["<pad>", "<s>", "</s>", "<unk>", "<image>", "describe", "this", "image", "USER", "ASSISTANT", ":"]
WORDS += ["blurred", "sharp", "red", "grey", "roofs", "trees", "a", "the", "river", "with", "and", ",", "."]
TEMPLATE = (
    "{% for message in messages %}USER : {% for part in message['content'] %}{% if part['type'] == 'image' %}<image> "
    "{% else %}{{ part['text'] }} {% endif %}{% endfor %}{% endfor %}ASSISTANT :"
)
COCA = {
    "embed_dim": 16,
    "vision_cfg": {
        "image_size": 16,
        "layers": 1,
        "width": 16,
        "head_width": 8,
        "patch_size": 8,
        "mlp_ratio": 2,
        "attentional_pool": True,
        "attn_pooler_heads": 2,
        "attn_pooler_queries": 4,
        "output_tokens": True,
    },
    "text_cfg": {
        "context_length": 12,
        "vocab_size": 49408,
        "width": 16,
        "heads": 2,
        "layers": 1,
        "embed_cls": True,
        "output_tokens": True,
    },
    "multimodal_cfg": {
        "context_length": 12,
        "vocab_size": 49408,
        "width": 16,
        "heads": 2,
        "layers": 1,
        "attn_pooler_heads": 2,
    },
}


def _tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        additional_special_tokens=["<image>"],
    )


def save_llava(folder):
    """Write a LLaVA with its processor; returns the folder."""
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    size = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    vision = CLIPVisionConfig(**size, num_hidden_layers=2, image_size=16, patch_size=8, projection_dim=16)
    text = LlamaConfig(
        **size,
        vocab_size=len(WORDS),
        num_hidden_layers=1,
        num_key_value_heads=2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(LlavaConfig(vision_config=vision, text_config=text, image_token_index=4))
    model.generation_config.update(do_sample=True, temperature=5.0, top_k=7)  # what many models bring with them
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(30)  # or images would make no difference
        model.lm_head.weight[:5] = 0  # so that it goes on
    model.save_pretrained(folder)
    LlavaProcessor(
        image_processor=CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
        tokenizer=_tokenizer(),
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    return folder


def save_blip(folder):
    """Write a BLIP, which is not asked, with its processor; returns the folder."""
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
        BlipTextConfig,
        BlipVisionConfig,
    )

    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]", *WORDS[5:]]
    text = BlipTextConfig(
        **size,
        vocab_size=len(words),
        encoder_hidden_size=16,
        pad_token_id=0,
        sep_token_id=3,
        bos_token_id=4,
        eos_token_id=3,
        max_position_embeddings=64,
    )
    vision = BlipVisionConfig(**size, image_size=16, patch_size=8)
    torch.manual_seed(0)
    model = BlipForConditionalGeneration(
        BlipConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), image_text_hidden_size=16)
    )
    model.save_pretrained(folder)
    vocabulary = {word: place for place, word in enumerate(words)}
    tokenizer = BertTokenizer(vocab=vocabulary, additional_special_tokens=["[DEC]"])
    BlipProcessor(BlipImageProcessor(size={"height": 16, "width": 16}), tokenizer).save_pretrained(folder)
    return folder


def save_coca(folder, seed=1):
    """Write the configuration and the weights of a CoCa; returns both files."""
    from open_clip.coca_model import CoCa

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny_coca.json").write_text(json.dumps(COCA))
    torch.manual_seed(seed)
    model = CoCa(**COCA)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith(("visual.", "text_decoder.")) and parameter.ndim > 1:
                parameter.normal_()  # or images would make no difference
    torch.save(model.state_dict(), folder / "tiny_coca.pt")
    return folder / "tiny_coca.json", folder / "tiny_coca.pt"
