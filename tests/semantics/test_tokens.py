import copy

import pytest
import torch
from torch.nn import functional as F

from segsr_arch.errors import ConfigError
from segsr_arch.semantics import SemanticGuide, SemanticsConfig, check_available
from segsr_arch.semantics.tokens import TokenStatistics
from tests.support import TINY_SEMANTICS

WIDTH = 12
KINDS = ("centred", "reduced", "whitened")


def scene_tokens(seed, count=400):
    """Tokens (1, C, 1, N) off the origin, most of their variance in two directions, the same for every seed."""
    fixed, drawn = torch.Generator().manual_seed(7), torch.Generator().manual_seed(seed)
    common, axes = torch.randn(WIDTH, generator=fixed), torch.randn(2, WIDTH, generator=fixed)
    tokens = 2 * common + 2 * torch.randn(count, 2, generator=drawn) @ axes
    return (tokens + 0.3 * torch.randn(count, WIDTH, generator=drawn)).T[None, :, None]


def flat(tokens):
    return tokens.flatten(2)[0].T.double()


def trained(kind, steps=3, removed=2):
    module = TokenStatistics(embed_dim=WIDTH, kind=kind, removed=removed).train()
    for seed in range(steps):
        module(scene_tokens(seed))
    return module.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_an_untrained_one_gives_the_tokens_and_looking_teaches_it_nothing(kind):
    module = TokenStatistics(embed_dim=WIDTH, kind=kind, removed=2).eval()
    before = copy.deepcopy(module.state_dict())
    tokens = scene_tokens(0)
    torch.testing.assert_close(module(tokens), F.normalize(tokens, dim=1))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_the_mean_is_that_of_unit_tokens_of_training():
    module = trained("centred")
    seen = torch.cat([flat(F.normalize(scene_tokens(seed), dim=1)) for seed in range(3)])
    torch.testing.assert_close(module.mean.double(), seen.mean(0), atol=1e-6, rtol=1e-5)
    assert seen.mean(0).norm() > 0.3 > 0.1 > flat(module(scene_tokens(9))).mean(0).norm()
    assert set(module.state_dict()) == {"count", "mean"}


def test_reduced_tokens_have_nothing_in_the_first_directions():
    seen = torch.cat([flat(F.normalize(scene_tokens(seed), dim=1)) for seed in range(3)])
    _, _, directions = torch.linalg.svd(seen - seen.mean(0), full_matrices=False)
    given = flat(trained("reduced")(scene_tokens(9)))
    assert (given @ directions[:2].T).abs().max() < 1e-4
    centred = flat(trained("centred")(scene_tokens(9)))
    torch.testing.assert_close(given @ directions[2:].T, centred @ directions[2:].T, atol=1e-4, rtol=0)


def test_whitened_tokens_have_about_the_same_variance_in_all_directions():
    def spread(kind):
        variances = torch.linalg.eigvalsh(torch.cov(flat(trained(kind)(scene_tokens(9))).T))
        return (variances[-1] / variances.mean()).item()

    assert spread("centred") > 4 and spread("whitened") < 2


def test_the_latest_hundred_steps_count():
    module = TokenStatistics(embed_dim=WIDTH, kind="centred").train()
    old, new = torch.eye(WIDTH)[0].view(1, -1, 1, 1), torch.eye(WIDTH)[1].view(1, -1, 1, 1)
    for _ in range(3):
        module(old)
    assert module.mean[0] == 1
    for _ in range(97):
        module(new)
    torch.testing.assert_close(module.mean[0], torch.tensor(0.03))
    module(new)
    torch.testing.assert_close(module.mean[0], torch.tensor(0.03 * 0.99))


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_one_goes_on_as_if_it_had_not_stopped(kind):
    whole, resumed = trained(kind, steps=2).train(), TokenStatistics(embed_dim=WIDTH, kind=kind, removed=2).train()
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    assert torch.equal(whole(scene_tokens(5)), resumed(scene_tokens(5)))
    assert torch.equal(whole.eval()(scene_tokens(6)), resumed.eval()(scene_tokens(6)))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_go_through_the_tokens_alone(kind):
    module, tokens = trained(kind).train(), scene_tokens(3).requires_grad_()
    module(tokens).square().sum().backward()
    assert tokens.grad.abs().sum() > 0 and not module.mean.requires_grad


def make_guide(seed=0, **options):
    torch.manual_seed(seed)
    config = SemanticsConfig(**{**TINY_SEMANTICS, "lora_dropout": 0.0, **options})
    return SemanticGuide(config=config, unit_channels=(5, 7, 5), scale=4)


def spreads(maps):
    return maps.flatten(2).std(dim=-1, correction=0)


def test_maps_of_the_paper_are_flat_and_standardised_ones_are_not():
    torch.manual_seed(0)
    lq = torch.rand(4, 3, 24, 24)
    with torch.no_grad():
        flat_maps, maps = make_guide().eval()(lq), make_guide(standardised_maps=True, map_floor=1e-4).eval()(lq)
    assert spreads(flat_maps).max() < 0.2
    assert (spreads(maps) > 0.5).all()
    torch.testing.assert_close(spreads(maps), torch.ones(4, 3), atol=1e-3, rtol=0)
    torch.testing.assert_close(maps.mean((-2, -1)), torch.zeros(4, 3), atol=1e-4, rtol=0)
    steep = (flat_maps - flat_maps.mean((-2, -1), keepdim=True)) / spreads(flat_maps)[..., None, None]
    torch.testing.assert_close(maps, steep, atol=1e-3, rtol=0)


def test_a_flat_map_stays_flat():
    module = make_guide(standardised_maps=True, map_floor=0.5).eval()
    with torch.no_grad():
        assert spreads(module(torch.rand(1, 3, 24, 24))).max() < 0.4
        assert torch.equal(module(torch.full((1, 3, 2, 2), 0.5)), torch.zeros(1, 3, 1, 1)), "a single patch"


def test_centred_tokens_give_maps_more_contrast_about_zero():
    raw, centred = make_guide(), make_guide(tokens="centred").train()
    lq = torch.rand(4, 3, 24, 24)
    with torch.no_grad():
        centred(lq)
        maps, flat_maps = centred.eval()(lq), raw.eval()(lq)
    assert spreads(maps).mean() > 1.05 * spreads(flat_maps).mean()
    assert maps.mean().abs() < 0.01 < flat_maps.mean().abs()


@pytest.mark.parametrize("kind", ["raw", *KINDS])
def test_only_tokens_that_need_it_have_state_and_evaluation_is_the_same_every_time(kind):
    module = make_guide(tokens=kind).train()
    module(torch.rand(2, 3, 24, 24))
    assert any(name.startswith("tokens.") for name in module.state_dict()) == (kind != "raw")
    lq = torch.rand(2, 3, 24, 24)
    with torch.no_grad():
        first = module.eval()(lq)
        assert torch.equal(module(lq), first)
        torch.testing.assert_close(module(lq[:1]), first[:1], atol=1e-5, rtol=0)


def test_tokens_of_an_earlier_block_are_written_out():
    lq = torch.rand(1, 3, 8, 12)
    module, both = make_guide().eval(), make_guide(earlier_tokens=1).eval()
    with torch.no_grad():
        last = module.feature_extraction(lq)[1]
        blocks = module.feature_extraction.visual.transformer.resblocks
        blocks[1] = torch.nn.Identity()
        before = module.feature_extraction(lq)[1]
        expected = F.normalize(last, dim=1) + F.normalize(before, dim=1)
        torch.testing.assert_close(both.feature_extraction(lq)[1], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"earlier_tokens": 2}, "earlier_tokens: 2: inline has 2 blocks, so it must be less"),
        ({"tokens": "reduced", "removed_components": 32}, "removed_components: 32: .* joint width is 32, so it must"),
    ],
)
def test_what_the_vision_language_model_has_not_is_refused_at_once(options, message):
    with pytest.raises(ConfigError, match=message):
        check_available(SemanticsConfig(**TINY_SEMANTICS, **options))
    with pytest.raises(ConfigError, match=message):
        make_guide(**options)
