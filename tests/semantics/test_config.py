import pytest

from segsr_arch.errors import ConfigError, SegsrError
from segsr_arch.semantics import SemanticsConfig


def test_defaults_are_the_papers():
    config = SemanticsConfig()
    assert (config.vlm, config.pretrained) == ("ViT-B-16-quickgelu", "openai")
    assert (config.lora_rank, config.lora_alpha, config.lora_dropout, config.lora_targets) == (32, 32, 0.05, "qkv+ffn")
    assert (config.num_heads, config.metanet_reduction, config.modulation_channels) == (8, 16, 128)


def test_misspelt_key_names_the_nearest():
    with pytest.raises(ConfigError, match="lora_rnak is not an option; did you mean lora_rank?"):
        SemanticsConfig.from_options({"lora_rnak": 8})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lora_targets": "qk"}, "lora_targets: 'qk' is not known; use one of none, qkv, qkv\\+ffn"),
        ({"lora_rank": 0}, "lora_rank: must be a whole number of at least 1, got 0"),
        ({"lora_rank": True}, "lora_rank"),
        ({"num_heads": 2.5}, "num_heads"),
        ({"lora_dropout": 1.0}, "lora_dropout"),
        ({"pretrained": 3}, "pretrained"),
    ],
)
def test_values_out_of_range_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        SemanticsConfig.from_options(options)


def test_errors_are_also_the_builtins():
    with pytest.raises(ValueError):
        SemanticsConfig(lora_rank=-1)
    assert issubclass(ConfigError, SegsrError)
