import itertools

import pytest
import torch
from torch.nn import functional as F

from segsr_arch.errors import ConfigError
from segsr_arch.semantics import SemanticGuide, SemanticsConfig, check_available
from segsr_arch.semantics.config import DESCRIPTORS
from tests.support import TINY_SEMANTICS, TINY_VLM

CHANNELS = (5, 7)
ALONE, WITH_LMM = {"modules": "sfem"}, {"modules": "sfem+lmm"}


def guide(scale=4, patch=8, channels=CHANNELS, **options):
    torch.manual_seed(0)
    vision = {**TINY_VLM["vision_cfg"], "patch_size": patch, "image_size": 2 * patch}
    vlm = {**TINY_VLM, "vision_cfg": vision}
    semantics = {**TINY_SEMANTICS, "vlm": vlm, "lora_alpha": 2, "lora_dropout": 0.0, **options}
    return SemanticGuide(config=SemanticsConfig(**semantics), unit_channels=channels, scale=scale).eval()


def shake(module, amount=0.2):
    """Give every trainable parameter a value of its own."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * amount)
    return module


def nchw(features):
    return features.permute(0, 3, 1, 2)


def modulated(lmm, features, signal):
    """Equation 9 for features (B, F, H, W), normalised over the channels."""
    hidden = F.relu(lmm.shared(signal))
    return lmm.gain(hidden) * nchw(F.layer_norm(features, features.shape[-1:])) + lmm.bias(hidden)


def test_maps_and_modulation_on_a_grid_beyond_the_image():
    module = guide()
    lq = torch.rand(2, 3, 13, 9)
    maps = module(lq)
    assert maps.shape == (2, 2, 7, 5)  # ceil(4 * 13 / 8), ceil(4 * 9 / 8)
    assert maps.abs().max() <= 1 + 1e-6
    features = torch.randn(2, 16, 16, 7)
    assert module.modulate(1, features, maps).shape == features.shape
    # A unit on a grid of half the resolution sees the map of the same places.
    fine = module.resize(maps, (16, 16))
    coarse = module.resize(maps, (4, 4), stride=4)
    torch.testing.assert_close(coarse[..., 1, 1], fine[..., 5:7, 5:7].mean((-1, -2)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (ALONE, {"feature_extraction", "projection"}),
        (WITH_LMM, {"feature_extraction", "projection", "modulation"}),
        ({}, {"feature_extraction", "localization", "modulation"}),
        ({"learned_map_scale": True}, {"feature_extraction", "localization", "modulation", "map_scale"}),
        ({"map_upsampling": "learned"}, {"feature_extraction", "localization", "modulation", "map_upsampling"}),
    ],
)
def test_only_the_modules_that_guide_exist(options, parts):
    module = guide(**options)
    assert {name.split(".")[0] for name in module.state_dict()} == parts
    assert module.has_maps == ("localization" in parts)


def test_extraction_alone_adds_the_projected_patches():
    """Section IV-E 1: I_l, projected per unit to the channels of its output, is added to that output."""
    module = guide(**ALONE)
    lq, features = torch.rand(2, 3, 8, 12), torch.randn(2, 8, 12, 7)
    signals = module(lq)
    assert torch.equal(signals, module.feature_extraction(lq)[1]) and signals.shape == (2, 32, 4, 6)
    assert torch.equal(module.modulate(1, features, signals), features), "an untrained guide changes nothing"
    shake(module)
    signals = module(lq)
    projection = module.projection[1]
    projected = torch.einsum("fc,bchw->bfhw", projection.weight[..., 0, 0], signals) + projection.bias.view(1, -1, 1, 1)
    expected = nchw(features) + F.interpolate(projected, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(nchw(module.modulate(1, features, signals)), expected, atol=1e-5, rtol=1e-5)


def test_extraction_with_modulation_reads_the_projected_patches():
    """Section IV-E 1: as many channels enter the LMM as the unit's output has."""
    module = guide(**WITH_LMM)
    assert [lmm.shared.in_channels for lmm in module.modulation] == list(CHANNELS)
    lq, features = torch.rand(2, 3, 8, 12), torch.randn(2, 8, 12, 7)
    normalised = F.layer_norm(features, (7,))
    torch.testing.assert_close(module.modulate(1, features, module(lq)), normalised)
    shake(module)
    signals = module(lq)
    signal = F.interpolate(module.projection[1](signals), scale_factor=2, mode="bilinear")
    expected = modulated(module.modulation[1], features, signal)
    torch.testing.assert_close(nchw(module.modulate(1, features, signals)), expected, atol=1e-5, rtol=1e-5)


def test_the_whole_guide_written_out():
    module = shake(guide())
    lq, features = torch.rand(2, 3, 8, 12), torch.randn(2, 8, 12, 7)
    global_feature, local_features = module.feature_extraction(lq)
    embedding = module.localization(global_feature)[:, 1]
    lengths = embedding.norm(dim=1).view(-1, 1, 1) * local_features.norm(dim=1)
    cosines = torch.einsum("bc,bchw->bhw", embedding, local_features) / lengths
    signal = F.interpolate(cosines.unsqueeze(1), scale_factor=2, mode="bilinear")
    expected = modulated(module.modulation[1], features, signal)
    torch.testing.assert_close(nchw(module.modulate(1, features, module(lq))), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, ALONE, WITH_LMM], ids=str)
def test_without_layer_norm_an_untrained_guide_leaves_the_features(options):
    if options != ALONE:
        options = {**options, "layer_norm": False}
    module = guide(**options)
    features = torch.randn(1, 9, 9, 5) * 7 + 3
    assert torch.equal(module.modulate(0, features, module(torch.rand(1, 3, 9, 9))), features)


def test_learned_scale_starts_at_one_and_multiplies_each_units_map():
    module, plain = shake(guide(learned_map_scale=True)), shake(guide())
    with torch.no_grad():
        module.map_scale.fill_(1.0)
    module.load_state_dict(plain.state_dict(), strict=False)
    assert torch.equal(guide(learned_map_scale=True).map_scale, torch.ones(2))
    lq, features = torch.rand(2, 3, 7, 9), torch.randn(2, 7, 9, 7)
    maps = plain(lq)
    assert torch.equal(module(lq), maps)
    with torch.no_grad():
        module.map_scale.copy_(torch.tensor([0.5, -3.0]))
    torch.testing.assert_close(module(lq), torch.stack([0.5 * maps[:, 0], -3 * maps[:, 1]], dim=1))
    torch.testing.assert_close(module.view(lq).maps, maps)
    expected = modulated(plain.modulation[1], features, -3 * plain.resize(maps, (7, 9))[:, 1:])
    torch.testing.assert_close(nchw(module.modulate(1, features, module(lq))), expected, atol=1e-5, rtol=1e-5)
    module.modulate(1, features, module(lq)).square().sum().backward()
    assert module.map_scale.grad[0] == 0 and module.map_scale.grad[1] != 0


@pytest.mark.parametrize("stride", [0.5, 1, 2, 4])
@pytest.mark.parametrize("patch", [8, 14, 16])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_untrained_upsampling_changes_nothing_trained_it_does(scale, patch, stride):
    learned, plain = (shake(guide(scale, patch, map_upsampling=kind)) for kind in ("learned", "bilinear"))
    fresh = guide(scale, patch, map_upsampling="learned").map_upsampling.state_dict()
    learned.load_state_dict(plain.state_dict(), strict=False)
    learned.map_upsampling.load_state_dict(fresh)
    lq, features = torch.rand(1, 3, 19, 23), torch.randn(1, round(20 / stride), round(24 / stride), 7)
    expected = plain.modulate(1, features, plain(lq), stride=stride)
    torch.testing.assert_close(learned.modulate(1, features, learned(lq), stride=stride), expected, atol=5e-5, rtol=0)
    torch.testing.assert_close(learned.view(lq).maps, plain(lq))

    shake(learned.map_upsampling)
    result = learned.modulate(1, features, learned(lq), stride=stride)
    assert (result - expected).abs().max() > 1e-2
    result.square().sum().backward()
    weights, biases = (p.grad.unflatten(0, (2, -1)) for p in learned.map_upsampling.parameters())
    assert (weights[1].flatten(1).abs().sum(1) > 0).any() and (biases[1] != 0).any()
    assert not weights[0].any() and not biases[0].any(), "unit 0 was not asked"


@pytest.mark.parametrize(("patch", "scale", "factor"), [(16, 4, 5), (16, 3, 5), (14, 4, 3), (8, 2, 5), (8, 8, 1)])
def test_upsampling_divides_a_patch_into_about_as_many_cells_as_it_has_lr_pixels(patch, scale, factor):
    module = guide(scale, patch, map_upsampling="learned")
    assert module(torch.rand(1, 3, 10, 10)).shape[-1] == factor * -(-10 * scale // patch)


def counts(targets, rank, *, width=32, layers=2):
    qkv, feed_forward = 3 * (width + width), (width + 4 * width) + (4 * width + width)
    return layers * rank * {"none": 0, "qkv": qkv, "qkv+ffn": qkv + feed_forward}[targets]


@pytest.mark.parametrize("rank", [1, 16, 32, 64])
@pytest.mark.parametrize("targets", ["none", "qkv", "qkv+ffn"])
def test_lora_has_the_parameters_of_its_rank_and_targets(targets, rank):
    module = guide(lora_targets=targets, lora_rank=rank)
    trainable = sum(p.numel() for p in module.feature_extraction.parameters() if p.requires_grad)
    assert trainable == counts(targets, rank) == sum(p.numel() for p in module.feature_extraction.state_dict().values())


@pytest.mark.parametrize("modules", [ALONE, WITH_LMM, {}], ids=str)
def test_without_lora_no_gradient_is_computed_for_the_vision_tower(modules):
    module = guide(lora_targets="none", **modules)
    for features in module.feature_extraction(torch.rand(1, 3, 8, 8)):
        assert not features.requires_grad


def test_without_localization_there_are_no_maps():
    for options in (ALONE, WITH_LMM):
        with pytest.raises(ConfigError, match=r"semantics: modules: sfem\S* has no maps; only sfem\+slm\+lmm has"):
            guide(**options).view(torch.rand(1, 3, 8, 8))


def test_heads_matter_to_the_localization_alone():
    config = {**TINY_SEMANTICS, "num_heads": 5}
    with pytest.raises(ConfigError, match="num_heads: 5 does not divide"):
        check_available(SemanticsConfig(**config))
    check_available(SemanticsConfig(**config, **ALONE))
    assert guide(num_heads=5, **ALONE).projection is not None


VARIANTS = [
    ALONE,
    *({**WITH_LMM, "layer_norm": value} for value in (True, False)),
    *(
        dict(zip(("descriptors", "learned_map_scale", "map_upsampling", "layer_norm"), values, strict=True))
        for values in itertools.product(DESCRIPTORS, (False, True), ("bilinear", "learned"), (True, False))
    ),
]


@pytest.mark.parametrize("options", VARIANTS, ids=lambda options: "-".join(map(str, options.values())))
def test_half_precision_is_close(options):
    module = shake(guide(**options), 0.1)
    lq, features = torch.rand(2, 3, 11, 9), torch.randn(2, 12, 9, 7)
    signals = module(lq)
    expected = module.modulate(1, features, signals)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = module(lq)
        result = module.modulate(1, features, near)
    if module.has_maps:
        assert near.dtype == torch.float32
    assert 0 < (near - signals).abs().max() < 0.03 * signals.abs().max()
    assert 0 < (result - expected).abs().max() < 0.03 * expected.abs().max()
    module.to(torch.bfloat16)
    whole = module.modulate(1, features.bfloat16(), module(lq.bfloat16()))
    assert whole.dtype == torch.bfloat16
    assert (whole - expected).abs().max() < 0.06 * expected.abs().max()


@pytest.mark.parametrize("options", [{}, ALONE, {"learned_map_scale": True, "map_upsampling": "learned"}], ids=str)
def test_signals_in_two_parts_are_the_signals(options):
    module = shake(guide(**options))
    lq = torch.rand(2, 3, 13, 9)
    with torch.no_grad():
        global_feature, local_features = module.feature_extraction(lq)
        cells = torch.cat([module.cells(global_feature[i : i + 1], local_features[i : i + 1]) for i in range(2)])
        assert torch.equal(module.refine(module.cells(global_feature, local_features)), module(lq))
        torch.testing.assert_close(module.refine(cells), module(lq), atol=1e-6, rtol=1e-5)


def test_another_global_feature_is_another_question_to_the_same_patches():
    module = shake(guide())
    with torch.no_grad():
        own, local_features = module.feature_extraction(torch.rand(1, 3, 12, 12))
        other = module.feature_extraction(torch.rand(1, 3, 20, 20))[0] + 1
        cells, view = module.cells(other, local_features), module.look(other, local_features)
        assert (cells - module.cells(own, local_features)).abs().max() > 1e-3
        for unit, embedding in enumerate(module.localization(other)[0]):
            expected = F.cosine_similarity(embedding.view(1, -1, 1, 1), local_features)
            torch.testing.assert_close(cells[:, unit], expected, atol=1e-5, rtol=1e-5)
        assert torch.equal(view.maps, cells) and torch.equal(view.global_feature, other)
        # A cell reads the global feature and its own token alone.
        part = module.cells(other, local_features[..., 1:3, 2:])
        torch.testing.assert_close(part, cells[..., 1:3, 2:], atol=1e-6, rtol=0)
    without = guide(**ALONE)
    assert torch.equal(without.cells(other, local_features), local_features)


def test_the_improved_guide_starts_as_identity_with_units_apart():
    module = SemanticGuide(
        config=SemanticsConfig.from_options({**TINY_SEMANTICS, "preset": "improved"}), unit_channels=CHANNELS, scale=4
    )
    lq, features = torch.rand(2, 3, 13, 9), torch.randn(2, 13, 9, 5) * 7 + 3
    assert torch.equal(module.modulate(0, features, module(lq)), features)
    embeddings = F.normalize(module.view(lq).embeddings, dim=-1)
    assert (embeddings[:, 0] * embeddings[:, 1]).sum(-1).abs().max() < 0.3
    assert (module(lq).flatten(2).std(dim=-1) > 0.5).all()
    shake(module)
    module.modulate(0, features, module(lq)).square().mean().backward()
    assert all(p.grad is not None for p in module.localization.parameters())
