import copy

import open_clip
import pytest
import torch
from torch.nn import functional as F

from segsr_arch.semantics import SemanticsConfig
from segsr_arch.semantics.feature_extraction import SemanticFeatureExtraction
from segsr_arch.semantics.vision_tower import build_vision_tower
from tests.support import TINY_SEMANTICS


def extraction(scale=4, **options):
    return SemanticFeatureExtraction(config=SemanticsConfig(**{**TINY_SEMANTICS, **options}), scale=scale)


@pytest.mark.parametrize("targets", ["qkv+ffn", "none"])
@pytest.mark.parametrize("quick_gelu", [True, False])
def test_equals_open_clip_before_lora_is_trained(targets, quick_gelu):
    vlm = {**TINY_SEMANTICS["vlm"], "quick_gelu": quick_gelu}
    ours = extraction(lora_targets=targets, vlm=vlm).eval()
    tower = build_vision_tower(SemanticsConfig(**{**TINY_SEMANTICS, "vlm": vlm}))
    tower.visual.output_tokens = True
    lq = torch.rand(2, 3, 8, 8)
    images = F.interpolate(lq, scale_factor=4, mode="bilinear")
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (tower.mean, tower.std))
    with torch.no_grad():
        pooled, tokens = tower.visual((images - mean) / std)
        global_feature, local_features = ours(lq)
    torch.testing.assert_close(global_feature, pooled, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(
        local_features.flatten(2).transpose(1, 2), tokens @ tower.visual.proj, atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(8, 8), (13, 21), (1, 1), (1, 30)])
def test_any_size_gives_one_token_a_started_patch(size, scale):
    global_feature, local_features = extraction(scale).eval()(torch.rand(2, 3, *size))
    assert global_feature.shape == (2, 32)
    assert local_features.shape == (2, 32, -(-size[0] * scale // 8), -(-size[1] * scale // 8))
    assert local_features.isfinite().all()


def test_position_embedding_is_resized_in_two_dimensions():
    module = extraction()
    embedding = module.visual.positional_embedding
    with torch.no_grad():  # a ramp over the rows, constant over the columns
        ramp = torch.arange(4.0).repeat_interleave(4)
        embedding[1:] = ramp[:, None].expand(-1, 32)
        embedding[0] = 100.0
    resized = module._position_embedding(8, 6)
    assert torch.equal(resized[0], embedding[0])
    grid = resized[1:, 0].reshape(8, 6)
    torch.testing.assert_close(grid, grid[:, :1].expand(-1, 6))
    assert (grid[1:, 0] > grid[:-1, 0]).all()
    assert module._position_embedding(4, 4) is embedding


def test_input_is_normalised_as_the_model_expects():
    module = extraction().eval()
    seen = []
    module.visual.conv1.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    module(torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(1, 3, 1, 1).expand(1, 3, 8, 8))
    assert seen[0].abs().max() < 1e-5


@pytest.mark.parametrize(
    ("targets", "names"),
    [
        ("qkv+ffn", {"q_proj", "k_proj", "v_proj", "c_fc", "c_proj"}),
        ("qkv", {"q_proj", "k_proj", "v_proj"}),
        ("none", set()),
    ],
)
def test_only_lora_is_trainable_and_in_the_state_dict(targets, names):
    module = extraction(lora_targets=targets)
    trainable = {name for name, p in module.named_parameters() if p.requires_grad}
    assert {name.split(".")[-4] for name in trainable} == names
    assert set(module.state_dict()) == trainable
    ranks = {p.shape[0] for name, p in module.named_parameters() if ".lora_A." in name}
    assert ranks == ({2} if names else set())


def test_every_lora_matrix_gets_a_gradient_and_the_frozen_weights_none():
    module = extraction(lora_dropout=0.0)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if ".lora_B." in name:
                parameter.normal_()
    global_feature, local_features = module(torch.rand(1, 3, 8, 8))
    (global_feature.sum() + local_features.square().sum()).backward()
    for name, parameter in module.named_parameters():
        assert (parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)) == parameter.requires_grad, name


def test_strict_loading_needs_no_frozen_weights_and_moves_lora():
    source, target = extraction(), extraction()
    with torch.no_grad():
        for parameter in source.parameters():
            if parameter.requires_grad:
                parameter.normal_()
    before = copy.deepcopy(target.visual.proj)
    target.load_state_dict(source.state_dict(), strict=True)
    assert torch.equal(target.visual.proj, before)
    lq = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(source.eval()(lq)[0], target.eval()(lq)[0])
    assert not any(p.requires_grad for name, p in target.named_parameters() if "lora_" not in name)


@pytest.mark.parametrize("targets", ["qkv", "qkv+ffn"])
def test_equation_2_the_low_rank_product_adds_to_the_weight(targets):
    adapted = extraction(lora_targets=targets, lora_rank=4, lora_alpha=6).eval()
    plain = extraction(lora_targets="none").eval()
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if ".lora_" in name:
                parameter.normal_(std=0.1)
        matrices = dict(adapted.named_parameters())
        for name, weight in plain.named_parameters():
            layer = name.removesuffix(".weight")
            if f"{layer}.lora_A.default.weight" in matrices:
                a, b = (matrices[f"{layer}.lora_{letter}.default.weight"] for letter in "AB")
                assert a.shape[0] == b.shape[1] == 4
                weight += 6 / 4 * b @ a
        lq = torch.rand(1, 3, 8, 8)
        for own, expected, unadapted in zip(adapted(lq), plain(lq), extraction()(lq), strict=True):
            torch.testing.assert_close(own, expected, atol=1e-5, rtol=1e-5)
            assert (own - unadapted).abs().max() > 1e-2


@pytest.mark.parametrize("pool_type", ["tok", "avg"])
@pytest.mark.parametrize("after_pool", [True, False])
def test_the_global_feature_is_open_clips_wherever_it_pools_and_normalises(pool_type, after_pool):
    """CLIPA normalises after pooling; its patches are normalised and projected as those of the others are."""
    vision = {**TINY_SEMANTICS["vlm"]["vision_cfg"], "pool_type": pool_type, "final_ln_after_pool": after_pool}
    vlm = {**TINY_SEMANTICS["vlm"], "vision_cfg": vision}
    ours = extraction(vlm=vlm).eval()
    tower = build_vision_tower(SemanticsConfig(**{**TINY_SEMANTICS, "vlm": vlm}))
    lq = torch.rand(2, 3, 8, 8)
    images = F.interpolate(lq, scale_factor=4, mode="bilinear")
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (tower.mean, tower.std))
    with torch.no_grad():
        pooled = tower.visual((images - mean) / std)
        global_feature, _ = ours(lq)
    torch.testing.assert_close(global_feature, pooled, atol=1e-6, rtol=1e-5)
