"""Guides that are for study in BasicSR's loop: controls, running statistics and the loss between units."""

import copy

import pytest
import torch
from basicsr.data import build_dataloader, build_dataset
from basicsr.models import build_model
from torch.nn import functional as F

from segsr_arch.errors import ConfigError
from segsr_arch.inference.cost import measure_cost
from segsr_arch.inference.form import to_inference_form
from segsr_arch.scenes.network.scene_signals import SceneSignals, Views
from tests.models.tiny import batch, tiny_options
from tests.support import TINY_SEMANTICS

EDSR = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 2, "upscale": 2}


def options(root, train=None, **semantics):
    own = {**TINY_SEMANTICS, "lora_dropout": 0.0, **semantics}
    return tiny_options(root, network={"type": "SemanticSR", "base": EDSR, "semantics": own}, train=train)


def step(model, iteration, count=4):
    model.feed_data(batch(iteration, count))
    model.optimize_parameters(iteration)
    return model


STATES = [
    {"tokens": "whitened", "standardised_maps": True},
    {"tokens": "reduced", "removed_components": 2, "earlier_tokens": 1},
    {"preset": "improved", "maps": "shuffled"},
    {"maps": "oracle", "tokens": "centred"},
    {"maps": "zero"},
]


@pytest.mark.parametrize("semantics", STATES, ids=str)
def test_a_resumed_training_is_the_uninterrupted_one_to_the_last_bit(tmp_path, semantics):
    given = options(tmp_path, **semantics)
    torch.manual_seed(0)
    whole = build_model(copy.deepcopy(given))
    for iteration in range(1, 3):
        step(whole, iteration)
    whole.save(0, 2)
    for iteration in range(3, 5):
        step(whole, iteration)
    given["path"] |= {"pretrain_network_g": str(tmp_path / "models/net_g_2.pth")}
    torch.manual_seed(99)
    resumed = build_model(given)
    resumed.resume_training(torch.load(tmp_path / "training_states/2.state", weights_only=True))
    for iteration in range(3, 5):
        step(resumed, iteration)
    for network in ("net_g", "net_g_ema"):
        expected = getattr(whole, network).state_dict()
        found = getattr(resumed, network).state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(value, expected[name]) for name, value in found.items())


@pytest.mark.parametrize("semantics", [{"tokens": "whitened"}, {"tokens": "centred"}, {"maps": "shuffled"}], ids=str)
def test_the_moving_average_has_the_statistics_of_the_network_as_copies(tmp_path, semantics):
    model = build_model(options(tmp_path, train={"ema_decay": 0.999}, **semantics))
    part = "tokens" if "tokens" in semantics else "others"
    for iteration in range(1, 3):
        step(model, iteration)
        average = dict(getattr(model.net_g_ema.guide, part).named_buffers())
        for name, value in getattr(model.net_g.guide, part).named_buffers():
            assert torch.equal(average[name], value) and average[name].data_ptr() != value.data_ptr()
            assert value.any()
    saved = dict(average)
    model.net_g.train()(batch(9)["lq"])
    assert all(torch.equal(value, saved[name]) for name, value in getattr(model.net_g_ema.guide, part).named_buffers())


def test_an_oracle_is_trained_and_validated_with_the_ground_truth(tmp_path, caplog):
    model = step(build_model(options(tmp_path, maps="oracle")), 1)
    data = batch(7)
    model.feed_data(data)
    model.test()
    network = model.tested_network
    with torch.no_grad():
        assert torch.equal(model.output, network(data["lq"], gt=data["gt"]))
        assert (model.output - network(data["lq"], gt=data["gt"].flip(-1))).abs().max() > 1e-6
    dataset = build_dataset({**model.opt["datasets"]["val"]})
    loader = build_dataloader(dataset, model.opt["datasets"]["val"], num_gpu=0, dist=False, sampler=None, seed=0)
    model.validation(loader, 1, None)
    assert model.metric_results["psnr"] > 0
    model.feed_data({"lq": data["lq"]})
    with pytest.raises(ConfigError, match="maps: oracle: this guide sees the HR image, and there is none here"):
        model.test()
    assert measure_cost(network, lr_size=(16, 16), repeats=1).macs > 0


def test_an_oracle_takes_no_tiles(tmp_path):
    with pytest.raises(ConfigError, match="tile: a guide with semantics: maps: oracle sees whole HR images"):
        build_model({**options(tmp_path, maps="oracle"), "tile": {"size": 16, "overlap": 4}})


@pytest.mark.parametrize("maps", ["shuffled", "oracle"])
def test_networks_for_study_are_neither_exported_nor_guide_scenes(tmp_path, maps):
    network = build_model(options(tmp_path, maps=maps)).tested_network
    with pytest.raises(ConfigError, match=f"maps: {maps}: this guide is for study, not for the form for inference"):
        to_inference_form(copy.deepcopy(network), precision="fp32")
    with pytest.raises(ConfigError, match=f"maps: {maps}: this guide is for study, not for scenes"):
        SceneSignals(network.guide, lambda window: None, height=9, width=9, views=Views())


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_penalty_is_the_mean_squared_cosine_of_units_and_pushes_them_apart(tmp_path, accumulate):
    torch.manual_seed(0)
    train = {"unit_penalty": 0.5, "accumulate": accumulate, "ema_decay": 0, "optim_g": {"type": "Adam", "lr": 1e-2}}
    model = build_model(options(tmp_path, train=train))

    def cosine():
        with torch.no_grad():
            one, other = F.normalize(model.net_g.guide.view(batch(0)["lq"]).embeddings, dim=-1).unbind(1)
        return (one * other).sum(-1)

    before = cosine()
    logged = []
    for iteration in range(1, 21):
        model.feed_data(batch(0))
        model.optimize_parameters(iteration)
        logged.append(float(model.get_current_log()["l_units"]))
    assert abs(logged[0] - 0.5 * before.square().mean().item()) < 1e-4 and before.mean() > 0.9
    assert cosine().square().mean() < 0.2 and logged[-1] < 0.1
    copy.deepcopy(model.net_g)  # no gradient is left in it


def test_without_a_penalty_nothing_is_added_and_without_units_it_is_refused(tmp_path):
    model = step(build_model(options(tmp_path)), 1)
    assert list(model.get_current_log()) == ["l_pix"]
    for semantics in ({"modules": "sfem"}, {"descriptors": "p_g+I_g"}):
        with pytest.raises(ConfigError, match="train: unit_penalty: needs a guided network with at least two units"):
            build_model(options(tmp_path, train={"unit_penalty": 0.1}, **semantics))


@pytest.mark.parametrize(
    "semantics", [{"tokens": "whitened", "standardised_maps": True}, {"preset": "improved"}], ids=str
)
def test_compiled_without_a_break_it_computes_the_same(tmp_path, semantics):
    torch.manual_seed(0)
    network = build_model(options(tmp_path, **semantics)).net_g.train()
    other = copy.deepcopy(network)
    lq = batch()["lq"]
    compiled = torch.compile(other, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(lq), network(lq), atol=1e-6, rtol=1e-5)
    found = dict(network.named_buffers())
    assert all(torch.allclose(value, found[name], atol=1e-5) for name, value in other.named_buffers())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_form_for_inference_keeps_the_statistics(tmp_path, precision):
    model = step(build_model(options(tmp_path, tokens="reduced", standardised_maps=True, preset="improved")), 1)
    network = model.tested_network
    converted = to_inference_form(copy.deepcopy(network), precision=precision)
    lq = batch()["lq"]
    with torch.no_grad():
        assert (converted(lq) - network(lq)).abs().max() < (1e-5 if precision == "fp32" else 0.03)
    assert torch.equal(converted.guide.tokens.transform, network.guide.tokens.transform)
