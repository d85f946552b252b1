import dataclasses
import re

import pytest

from segsr_arch.errors import ConfigError, SegsrError
from segsr_arch.semantics import SemanticsConfig
from segsr_arch.semantics.config import PRESETS


def test_defaults_are_the_papers():
    config = SemanticsConfig()
    assert (config.vlm, config.pretrained) == ("ViT-B-16-quickgelu", "openai")
    assert (config.lora_rank, config.lora_alpha, config.lora_dropout, config.lora_targets) == (32, 32, 0.05, "qkv+ffn")
    assert (config.num_heads, config.metanet_reduction, config.modulation_channels) == (8, 16, 128)
    assert (config.modules, config.descriptors, config.map_upsampling) == ("sfem+slm+lmm", "p_i+p_g+I_g", "bilinear")
    assert (config.attention_residual, config.learned_map_scale, config.layer_norm) == (False, False, True)
    assert SemanticsConfig.from_options(None) == SemanticsConfig.from_options({}) == config
    assert SemanticsConfig.from_options(config) is config


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
        ({"modules": "sfem+slm"}, "modules: 'sfem\\+slm' is not known; use one of sfem, sfem\\+lmm, sfem\\+slm\\+lmm"),
        ({"modules": None}, "modules: None is not known"),
        ({"modules": ["sfem", "lmm"]}, "modules: \\['sfem', 'lmm'\\] is not known"),
        ({"descriptors": "I_g+p_i"}, "descriptors: 'I_g\\+p_i' is not known; use one of p_i, p_i\\+p_g, p_i\\+I_g"),
        ({"map_upsampling": True}, "map_upsampling: True is not known; use one of bilinear, learned"),
        ({"attention_residual": 1}, "attention_residual: must be true or false, got 1"),
        ({"learned_map_scale": "yes"}, "learned_map_scale: must be true or false, got 'yes'"),
        ({"layer_norm": None}, "layer_norm: must be true or false, got None"),
        ({"random_seed": -1}, "random_seed: must be a whole number of at least 0, got -1"),
        ({"lora_alpha": 0}, "lora_alpha: must be a number above 0, got 0"),
        ({"cache_dir": 7}, "cache_dir: must be a folder or null, got 7"),
    ],
)
def test_values_out_of_range_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        SemanticsConfig.from_options(options)


SWITCHES = {
    "slm": {
        "descriptors": "p_i",
        "attention_residual": True,
        "gate_gain": 8.0,
        "descriptors_past_gate": True,
        "earlier_tokens": 1,
        "tokens": "centred",
        "standardised_maps": True,
        "learned_map_scale": True,
        "map_upsampling": "learned",
    },
    "lmm": {"layer_norm": False, "modulation_residual": True},
}


@pytest.mark.parametrize("modules", ["sfem", "sfem+lmm", "sfem+slm+lmm"])
@pytest.mark.parametrize(("needs", "name"), [(module, name) for module, names in SWITCHES.items() for name in names])
def test_switches_of_a_module_that_is_left_out_are_refused(modules, needs, name):
    options = {"modules": modules, name: SWITCHES[needs][name]}
    if needs in modules.split("+"):
        assert getattr(SemanticsConfig.from_options(options), name) == SWITCHES[needs][name]
        return
    message = f"semantics: {name}: has no effect with modules: {modules}, which leaves out {needs}; remove it."
    with pytest.raises(ConfigError, match=re.escape(message)):
        SemanticsConfig.from_options(options)


def test_a_switch_at_its_default_may_stand_with_any_modules():
    options = {name: getattr(SemanticsConfig(), name) for names in SWITCHES.values() for name in names}
    assert SemanticsConfig.from_options({"modules": "sfem", **options}) == SemanticsConfig(modules="sfem")


def test_no_targets_of_lora_may_be_written_as_null():
    assert SemanticsConfig.from_options({"lora_targets": None}) == SemanticsConfig(lora_targets="none")


def test_every_option_carries_its_help():
    assert all(item.metadata["help"] for item in dataclasses.fields(SemanticsConfig))


def test_errors_are_also_the_builtins():
    with pytest.raises(ValueError):
        SemanticsConfig(lora_rank=-1)
    assert issubclass(ConfigError, SegsrError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"map_scale_start": 25.0}, "map_scale_start: has no effect without learned_map_scale: true; remove it."),
        ({"map_floor": 0.1}, "map_floor: has no effect without standardised_maps: true; remove it."),
        ({"removed_components": 2, "tokens": "centred"}, "removed_components: has no effect without tokens: reduced;"),
        ({"gate_gain": 8.0, "descriptors": "p_i"}, "gate_gain: has no effect without descriptors: p_i+p_g or p_i+I_g"),
        ({"descriptors_past_gate": True, "descriptors": "p_g+I_g"}, "descriptors_past_gate: has no effect without"),
    ],
)
def test_options_that_another_one_makes_idle_are_refused(options, message):
    with pytest.raises(ConfigError, match=re.escape(f"semantics: {message}")):
        SemanticsConfig.from_options(options)


def test_a_preset_fills_up_what_is_not_given():
    assert SemanticsConfig.from_options({"preset": "paper"}) == SemanticsConfig()
    improved = SemanticsConfig.from_options({"preset": "improved", "lora_rank": 8})
    assert {name: getattr(improved, name) for name in PRESETS["improved"]} == PRESETS["improved"]
    assert improved.lora_rank == 8 and improved.modulation_residual
    mixed = SemanticsConfig.from_options({"preset": "improved", "modulation_residual": False})
    assert not mixed.modulation_residual and mixed.descriptors_past_gate
    assert set(PRESETS["improved"]) <= {*SemanticsConfig.recorded_names(), "gate_gain"}, "a checkpoint says them"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "best"}, "preset: 'best' is not known; use one of paper, improved"),
        ({"preset": ["paper"]}, "preset: .'paper'. is not known"),
        ({"preset": "improved", "modules": "sfem"}, "preset: improved: is for the whole guide, not for modules: sfem"),
        (
            {"preset": "improved", **{name: getattr(SemanticsConfig(), name) for name in PRESETS["improved"]}},
            "preset: improved: every option that it sets has the paper's value",
        ),
    ],
)
def test_presets_that_cannot_be_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SemanticsConfig.from_options(options)


def test_the_constructor_does_not_pretend_to_have_read_a_preset():
    with pytest.raises(ConfigError, match="read the options from a mapping"):
        SemanticsConfig(preset="improved")
