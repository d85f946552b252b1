"""What a checkpoint says of its network, and what is refused because of it."""

import hashlib
import json
from dataclasses import dataclass, fields

import pytest
import torch

from segsr_arch.archs.semantic_sr_arch import SemanticSR
from segsr_arch.errors import CheckpointError
from segsr_arch.guiding import checkpoint_description
from segsr_arch.guiding.checkpoint_description import check_description, decode_description, describe_network
from segsr_arch.option_fields import option
from segsr_arch.semantics import SemanticsConfig
from segsr_arch.semantics.vision_tower import build_vision_tower
from tests.support import TINY_SEMANTICS

EDSR = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 4, "upscale": 2}
RESNET = {"type": "MSRResNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 4, "upscale": 2}
PAPERS = {"lora_rank": 32, "lora_alpha": 32, "num_heads": 8, "metanet_reduction": 16, "modulation_channels": 128}
ALL_OTHER = {
    "descriptors": "p_i+p_g",
    "attention_residual": True,
    "learned_map_scale": True,
    "map_upsampling": "learned",
    "layer_norm": False,
    "lora_targets": "qkv",
    "lora_alpha": 2.5,
}


def options(base=EDSR, units=2, change=None, **semantics):
    return {"base": {**base, **(change or {})}, "units": units, "semantics": {**TINY_SEMANTICS, **semantics}}


def build(**given):
    torch.manual_seed(0)
    return SemanticSR(**options(**given))


def shaken(**given):
    network = build(**given)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return network


def written(state):
    return json.loads(bytes(state["_extra_state"].tolist()))


def with_description(state, description):
    encoded = json.dumps(description).encode().ljust(1024)
    return {**state, "_extra_state": torch.frombuffer(bytearray(encoded), dtype=torch.uint8)}


def of_first_format(network):
    """A checkpoint as the first format had it: units counted, no options of the guide."""
    state = network.state_dict()
    known = {key: written(state)[key] for key in ("upscale", "base", "vlm")}
    return with_description(state, {"format": 1, "units": len(network.unit_paths), **known})


def refused(network, state, strict=True):
    try:
        network.load_state_dict(state, strict=strict)
    except CheckpointError as error:
        return str(error)
    return None


def test_it_says_scale_base_units_guide_and_vlm():
    network = build()
    described = written(network.state_dict())
    digest = hashlib.sha256(b"body.1\nbody.3").hexdigest()[:8]
    assert (described["format"], described["upscale"], described["base"]) == (2, 2, "EDSR")
    assert described["units"] == f"2 ({digest})"
    assert described["guide"] == {key: TINY_SEMANTICS[key] for key in TINY_SEMANTICS if key in PAPERS}
    assert described["vlm"]["name"] == "inline" and described["vlm"]["source"] == "random(0)"
    assert described["vlm"]["digest"] == network.guide.feature_extraction.identity.digest
    assert written(build(**PAPERS).state_dict())["guide"] == {}, "the paper's options go without saying"


def test_every_option_that_is_not_the_papers_is_said_in_as_many_bytes():
    state = build(**ALL_OTHER).state_dict()
    assert {key: written(state)["guide"][key] for key in ALL_OTHER} == ALL_OTHER
    assert state["_extra_state"].shape == build().state_dict()["_extra_state"].shape == (1024,)
    assert decode_description(state["_extra_state"]) == {k: v for k, v in written(state).items() if k != "format"}


@pytest.mark.parametrize(
    ("trained", "here", "message"),
    [
        ({}, {"attention_residual": True}, "semantics: attention_residual False in the file, True here"),
        ({"layer_norm": False}, {}, "semantics: layer_norm False in the file, True here"),
        ({"lora_alpha": 16}, {}, "semantics: lora_alpha 16 in the file, 32.0 here"),
        ({}, {"lora_rank": 4}, "semantics: lora_rank 2 in the file, 4 here"),
        ({}, {"num_heads": 8}, "semantics: num_heads 4 in the file, 8 here"),
        ({}, {"modules": "sfem"}, "semantics: modules sfem+slm+lmm in the file, sfem here"),
        ({"descriptors": "p_i"}, {}, "semantics: descriptors p_i in the file, p_i+p_g+I_g here"),
        ({"map_upsampling": "learned"}, {}, "semantics: map_upsampling learned in the file, bilinear here"),
        ({}, {"learned_map_scale": True}, "semantics: learned_map_scale False in the file, True here"),
        ({}, {"units": ["body.0", "body.3"]}, "units 2 (HASH) in the file, 2 (HASH) here"),
        ({"units": 4}, {}, "units 4 (HASH) in the file, 2 (HASH) here"),
        ({}, {"base": RESNET}, "base EDSR in the file, MSRResNet here"),
        ({}, {"change": {"upscale": 4}}, "upscale 2 in the file, 4 here"),
        ({"units": 1}, {"base": RESNET}, "base EDSR in the file, MSRResNet here, units 1 (HASH) in the file, 2 (HASH)"),
    ],
)
def test_another_network_is_refused_and_what_differs_is_said(trained, here, message):
    network, state = build(**here), build(**trained).state_dict()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    said = refused(network, state)
    assert said is not None and "Correct network_g, or set path: strict_load_g: false" in said
    for part in written(state)["units"], written(before)["units"]:
        said = said.replace(part.split(" ")[1], "(HASH)")
    assert said.startswith(f"The checkpoint belongs to another network: {message}")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_what_differs_without_changing_the_weights_can_be_loaded_all_the_same():
    trained = shaken()
    other = build(attention_residual=True)
    assert refused(other, trained.state_dict(), strict=False) is None
    assert torch.equal(other.guide.localization.fusion.weight, trained.guide.localization.fusion.weight)


def test_the_same_options_load_whatever_way_they_are_written():
    trained = shaken(units=["body.1", "body.3"], lora_alpha=16)
    network = build(units=2, lora_alpha=16.0)
    assert refused(network, trained.state_dict()) is None
    lq = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(network.eval()(lq), trained.eval()(lq))


@pytest.mark.parametrize("kind", [ALL_OTHER, {"modules": "sfem"}, {"modules": "sfem+lmm"}], ids=str)
def test_every_kind_of_guide_survives_a_file(tmp_path, kind):
    trained = shaken(**kind)
    torch.save(trained.state_dict(), tmp_path / "net.pth")
    network = build(**kind)
    network.load_state_dict(torch.load(tmp_path / "net.pth", weights_only=True))
    lq = torch.rand(1, 3, 9, 7)
    torch.testing.assert_close(network.eval()(lq), trained.eval()(lq))


def test_the_first_format_still_loads():
    trained, network = shaken(), build()
    assert refused(network, of_first_format(trained)) is None
    lq = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(network.eval()(lq), trained.eval()(lq))
    assert refused(build(units=["body.0", "body.3"]), of_first_format(trained)) is None, "it only counted the units"


@pytest.mark.parametrize(
    ("here", "message"),
    [
        ({"units": 4}, "units 2 in the file, 4 here"),
        ({"base": RESNET}, "base EDSR in the file, MSRResNet here"),
        # The first format knew one guide, that of the paper.
        ({"attention_residual": True}, "semantics: attention_residual False in the file, True here"),
        ({"layer_norm": False}, "semantics: layer_norm True in the file, False here"),
        ({"random_seed": 3}, r"random(0) .*random(3)"),
    ],
)
def test_the_first_format_is_refused_where_it_says_enough(here, message):
    said = refused(build(**here), of_first_format(build()))
    assert said is not None and all(part in said for part in message.split(".*"))


def test_what_the_first_format_did_not_record_is_left_to_the_weights():
    state = of_first_format(shaken(lora_alpha=16))
    assert refused(build(), state) is None
    with pytest.raises(RuntimeError, match="size mismatch for guide"):
        build(modulation_channels=4).load_state_dict(state)


def test_damaged_descriptions_are_named():
    network = build()
    state = network.state_dict()
    known = written(state)
    for description in ({"format": 2}, {k: v for k, v in known.items() if k != "guide"}, ["no", "mapping"], "text"):
        with pytest.raises(CheckpointError, match="_extra_state.* cannot be read .*damaged"):
            network.load_state_dict(with_description(state, description))
    for value in (torch.full((1024,), 255, dtype=torch.uint8), None):
        with pytest.raises(CheckpointError, match="_extra_state.* cannot be read .*damaged"):
            network.load_state_dict({**state, "_extra_state": value})
    del state["_extra_state"]
    with pytest.raises(CheckpointError, match="no checkpoint of a guided network.*Weights of the EDSR alone"):
        network.load_state_dict(state)


def test_an_option_of_a_later_version_is_not_overlooked():
    network = build()
    described = written(network.state_dict())
    described["guide"]["sharpness"] = 3
    said = refused(network, with_description(network.state_dict(), described))
    assert said is not None and "semantics: sharpness 3 in the file, None here" in said


def test_a_new_option_of_the_guide_is_recorded_unless_it_says_why_not(monkeypatch):
    @dataclass(frozen=True, kw_only=True)
    class Extended(SemanticsConfig):
        sharpness: int = option(1, help="of the maps")
        patience: int = option(1, help="of the reader", unrecorded="it changes no number")

    monkeypatch.setattr(checkpoint_description, "SemanticsConfig", Extended)
    network = torch.nn.Conv2d(3, 3, 1)

    def described(**given):
        semantics = Extended(**TINY_SEMANTICS, **given)
        return describe_network(base=network, upscale=2, unit_paths=["body.0"], semantics=semantics)

    assert described(sharpness=3)["guide"]["sharpness"] == 3
    assert described(patience=3) == described()
    state = with_description({}, {"format": 2, "vlm": {}, **described(sharpness=3)})
    with pytest.raises(CheckpointError, match="semantics: sharpness 3 in the file, 1 here"):
        check_description(state, described(), strict=True)
    check_description(state, described(sharpness=3), strict=True)


def test_what_is_not_recorded_was_decided():
    """Whoever adds an option that is not recorded adds it here, too: two guides that differ in it load one another."""
    left_out = {item.name for item in fields(SemanticsConfig)} - set(SemanticsConfig.recorded_names())
    starts = {"gate_gain", "map_scale_start"}
    assert left_out == {"vlm", "pretrained", "random_seed", "cache_dir", "lora_dropout", "preset"} | starts


def test_names_too_long_for_a_checkpoint_are_found_when_the_network_is_built(tmp_path):
    named = {}
    for name in ("語" * 80, '"' * 240):  # a quotation mark takes two bytes
        named[name] = {"vlm": str(tmp_path / f"{name}.json"), "pretrained": str(tmp_path / f"{name}.pt")}
        with open(named[name]["vlm"], "w") as file:
            json.dump({"model_cfg": TINY_SEMANTICS["vlm"]}, file)
        torch.save(build_vision_tower(SemanticsConfig(**TINY_SEMANTICS)).visual.state_dict(), named[name]["pretrained"])
    assert written(build(**named["語" * 80]).state_dict())["vlm"]["name"] == "語" * 80
    with pytest.raises(
        CheckpointError, match='semantics: vlm and pretrained: the names .*""".* Give the files shorter'
    ):
        build(**named['"' * 240])


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "here",
    [
        {},
        {"attention_residual": True},
        {"modulation_residual": True},
        {"preset": "improved"},
        {"num_heads": 8},
        {"lora_rank": 4},
        {"lora_targets": "none"},
        {"modulation_channels": 4},
        {"metanet_reduction": 8},
        {"descriptors": "p_i"},
        {"modules": "sfem"},
        {"units": 4},
        {"units": ["body.0", "body.3"]},
        {"base": RESNET},
        {"change": {"upscale": 4}},
        {"change": {"num_feat": 12}},
        {"change": {"num_block": 6}, "units": ["body.1", "body.3"]},
        {"random_seed": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("first_format", [False, True])
def test_the_option_check_agrees_with_loading(here, strict, first_format):
    trained = build()
    state = of_first_format(trained) if first_format else trained.state_dict()
    try:
        SemanticSR.check_checkpoint(options(**here), state, strict)
        passed = True
    except CheckpointError:
        passed = False
    try:
        build(**here).load_state_dict(state, strict=strict)
        loaded = True
    except CheckpointError:
        loaded = False
    except RuntimeError:  # sizes and names, which BasicSR sorts out by itself where it is not strict
        loaded = not strict
    if (
        first_format
        and strict
        and set(here) & {"lora_rank", "lora_targets", "modulation_channels", "metanet_reduction"}
    ):
        assert passed and not loaded, "the first format did not record it, so only the weights can tell"
        return
    assert passed == loaded
    if not first_format:
        assert passed == (not here if strict else "random_seed" not in here)


def test_the_description_is_checked_without_a_network():
    trained = build()
    own = {key: written(trained.state_dict())[key] for key in ("upscale", "base", "units", "guide", "form")}
    found = check_description(trained.state_dict(), own, strict=True)
    assert found["vlm"]["source"] == "random(0)"
