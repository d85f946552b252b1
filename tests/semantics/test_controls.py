import pytest
import torch

from segsr_arch.errors import ConfigError
from segsr_arch.semantics import SemanticGuide, SemanticsConfig
from segsr_arch.semantics.controls import OtherMaps
from tests.support import TINY_SEMANTICS


def make_guide(**options):
    torch.manual_seed(0)
    config = SemanticsConfig(**{**TINY_SEMANTICS, "lora_dropout": 0.0, **options})
    return SemanticGuide(config=config, unit_channels=(5, 7), scale=4)


def images(count=3, height=24, width=24, seed=0):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("maps", ["zero", "shuffled", "oracle"])
def test_a_control_has_the_parameters_of_the_guide_and_trains_them_or_leaves_them(maps):
    own, control = make_guide(), make_guide(maps=maps)
    parameters = dict(own.named_parameters())
    assert {n: p.shape for n, p in control.named_parameters()} == {n: p.shape for n, p in parameters.items()}
    assert all(torch.equal(parameter, parameters[name]) for name, parameter in control.named_parameters())
    buffers = {name for name, _ in control.named_buffers()} - {name for name, _ in own.named_buffers()}
    assert buffers == ({"others.count", "others.kept"} if maps == "shuffled" else set())
    gt = images(2, 96, 96) if maps == "oracle" else None
    control.train()(images(2), gt).square().sum().backward()
    gradients = {name: p.grad for name, p in control.localization.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values()), "distributed training waits for each"
    assert any(gradient.any() for gradient in gradients.values()) == (maps != "zero")


def test_maps_of_zeros():
    module = make_guide(maps="zero").eval()
    assert not module(images()).any() and not module.view(images()).maps.any()
    assert module(images()).shape == make_guide()(images()).shape


def test_in_a_batch_everyone_gets_the_maps_of_another():
    own, module = make_guide().train(), make_guide(maps="shuffled").train()
    with torch.no_grad():
        maps = own(images())
        assert torch.equal(module(images()), maps[[2, 0, 1]])
    assert module.others.count == 3
    torch.testing.assert_close(module.others.kept[:3], maps[..., :8, :8])
    torch.testing.assert_close(module.view(images()).maps, maps), "to look at, they are its own"


def test_in_evaluation_an_image_gets_the_maps_of_an_image_of_training_whatever_is_beside_it():
    module = make_guide(maps="shuffled")
    seen, new = images(4), images(5, 20, 28, seed=1)
    with torch.no_grad():
        assert not module.eval()(new).any(), "nothing was kept so far"
        module.train()(seen)
        kept, before = module.others.kept[:4].clone(), module.others.count.clone()
        given = module.eval()(new)
        assert torch.equal(torch.cat([module(image[None]) for image in new]), given)
        assert torch.equal(module(new), given) and module.others.count == before
    chosen = [int((image * 255).round().sum()) % 4 for image in new]
    assert len(set(chosen)) > 1
    for maps, number in zip(given, chosen, strict=True):  # ceil(4 * 20 / 8) = 10 rows of patches, 14 columns
        assert maps.shape == (2, 10, 14)
        torch.testing.assert_close(maps[:, :8, :8], kept[number])
        torch.testing.assert_close(maps[:, 8:, 8:], kept[number].flip((1, 2))[:, :2, :6])


def test_a_batch_of_one_gets_the_maps_of_earlier_steps():
    module = OtherMaps(num_maps=1).train()
    first, second = torch.full((1, 1, 4, 4), 3.0), torch.full((1, 1, 4, 4), 5.0)
    assert not module(first, images(1)).any()
    assert torch.equal(module(second, images(1)), first)
    assert module.count == 2


def test_the_latest_32_images_are_kept_and_go_into_a_checkpoint():
    module = OtherMaps(num_maps=1).train()
    for step in range(20):
        module(torch.arange(2.0).view(2, 1, 1, 1) + 2 * step, images(2))
    assert sorted(module.kept[:, 0, 0, 0].tolist()) == list(range(8, 40))
    resumed = OtherMaps(num_maps=1)
    resumed.load_state_dict(module.state_dict())
    maps, lq = torch.rand(1, 1, 3, 3), images(1)
    assert torch.equal(resumed.train()(maps, lq), module(maps, lq))
    assert torch.equal(resumed.kept, module.kept)


def test_an_oracle_sees_the_hr_image():
    own, oracle = make_guide().eval(), make_guide(maps="oracle").eval()
    lq, gt = images(2), images(2, 96, 96, seed=5)
    with torch.no_grad():
        maps = oracle(lq, gt)
        assert torch.equal(maps, own.cells(*own.feature_extraction.see(gt)))
        assert (maps - own(lq)).abs().max() > 0.05
        assert torch.equal(own(lq, gt), own(lq)), "a guide of its own does not look"
        assert torch.equal(oracle.view(lq, gt).maps, maps)
        with oracle.standing_in():
            assert torch.equal(oracle(lq), own(lq))
    with pytest.raises(ConfigError, match="maps: oracle: this guide sees the HR image, and there is none here"):
        oracle(lq)
    with pytest.raises(ConfigError, match=r"HR images \(2, 3, 96, 48\) are not those of LR images \(2, 3, 24, 24\)"):
        oracle(lq, gt[..., :48])


@pytest.mark.parametrize(("maps", "refused"), [("own", False), ("zero", False), ("shuffled", True), ("oracle", True)])
def test_guides_for_study_are_refused_where_images_are_all_there_is(maps, refused):
    if not refused:
        make_guide(maps=maps).refuse_study("scenes")
        return
    with pytest.raises(ConfigError, match=f"semantics: maps: {maps}: this guide is for study, not for scenes"):
        make_guide(maps=maps).refuse_study("scenes")
