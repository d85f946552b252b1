import copy
import io
import itertools
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segsr_arch.archs.hat_arch import HAT
from segsr_arch.archs.segsr_arch import SeGSR
from segsr_arch.capabilities import FOREIGN, Capabilities
from segsr_arch.errors import CheckpointError, ConfigError
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.guiding.units import select_units
from segsr_arch.semantics.config import DESCRIPTORS, LORA_TARGETS
from tests.support import TINY_HAT, TINY_SEMANTICS, TINY_VLM


class ToyNet(nn.Module):
    """Four convolutions as units and a pixel shuffle."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Sequential(*(nn.Conv2d(8, 8, 3, padding=1) for _ in range(4)))
        self.tail = nn.Conv2d(8, 12, 3, padding=1)

    def forward(self, x):
        return F.pixel_shuffle(self.tail(self.body(self.head(x))), 2)


@pytest.fixture(autouse=True)
def toy_layout(monkeypatch):
    monkeypatch.setitem(FOREIGN, "ToyNet", Capabilities(units=("body",)))


def toy(units=None, **semantics):
    torch.manual_seed(0)
    return GuidedNetwork(base=ToyNet(), semantics={**TINY_SEMANTICS, **semantics}, units=units)


def segsr(**options):
    torch.manual_seed(0)
    return SeGSR(**{"upscale": 2, "semantics": TINY_SEMANTICS, "drop_path_rate": 0.0, **TINY_HAT, **options})


def shake(network):
    """Give every trainable parameter a value of its own, so that the guide changes the output."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return network


@pytest.mark.parametrize("build", [toy, segsr])
def test_base_keeps_its_names(build):
    network = build()
    names = [name for name in network.state_dict() if not name.startswith("guide.")]
    assert names == ["_extra_state"] + [f"base.{name}" for name in network.base.state_dict()]


def test_untrained_guide_only_normalises_each_units_output():
    network = toy(units=2)
    lq = torch.rand(1, 3, 9, 7)
    base = network.base

    def normalised(x):
        return F.layer_norm(x.permute(0, 2, 3, 1), (8,)).permute(0, 3, 1, 2)

    features = base.head(lq)
    features = normalised(base.body[1](base.body[0](features)))
    features = normalised(base.body[3](base.body[2](features)))
    torch.testing.assert_close(network(lq), F.pixel_shuffle(base.tail(features), 2))


def test_trained_guide_modulates_by_the_maps():
    network = shake(toy(units=[f"body.{i}" for i in range(4)])).eval()
    lq = torch.rand(1, 3, 8, 8)
    maps = network.guide(lq)
    features = network.base.head(lq)
    for unit in range(4):
        features = network.base.body[unit](features).permute(0, 2, 3, 1)
        own_map = network.guide.resize(maps, (8, 8))[:, unit : unit + 1]
        features = network.guide.modulation[unit](features, own_map).permute(0, 3, 1, 2)
    torch.testing.assert_close(network(lq), F.pixel_shuffle(network.base.tail(features), 2))


@pytest.mark.parametrize("build", [toy, segsr])
def test_a_copy_has_hooks_of_its_own(build):
    network = shake(build()).eval()
    lq = torch.rand(1, 3, 12, 12)
    before = network(lq)
    twin = copy.deepcopy(network)
    torch.testing.assert_close(twin(lq), before)
    for parameter in twin.guide.modulation.parameters():
        nn.init.zeros_(parameter)
    assert (twin(lq) - before).abs().max() > 1e-4
    torch.testing.assert_close(network(lq), before)


def test_pickling_keeps_the_guide_attached():
    network = shake(segsr()).eval()
    lq = torch.rand(1, 3, 12, 12)
    restored = pickle.loads(pickle.dumps(network))
    torch.testing.assert_close(restored(lq), network(lq))
    with torch.no_grad():
        restored.guide.modulation[0].gain.bias += 1
    assert (restored(lq) - network(lq)).abs().max() > 1e-4


def test_nothing_survives_a_forward_that_raised():
    network = toy().eval()
    base_alone = network.base(torch.ones(1, 3, 4, 4))

    def fail(*_):
        raise RuntimeError("broken unit")

    handle = network.base.body[2].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="broken unit"):
        network(torch.rand(1, 3, 8, 8))
    handle.remove()
    torch.testing.assert_close(network.base(torch.ones(1, 3, 4, 4)), base_alone)


@pytest.mark.parametrize("size", [(1, 1), (7, 30), (16, 16), (50, 61)])
def test_any_size(size):
    lq = torch.rand(2, 3, *size)
    for network in (toy(), segsr(), segsr(upscale=3), segsr(upscale=4)):
        network.eval()
        sr = network(lq)
        assert sr.shape == (2, 3, network.upscale * size[0], network.upscale * size[1])
        assert sr.isfinite().all()
        maps = network.guidance_maps(lq)
        assert maps.shape == (2, len(network.unit_paths), *size)
        assert maps.min() >= -1 and maps.max() <= 1 and maps.dtype == torch.float32


def test_maps_leave_the_mode_and_follow_the_image():
    network = shake(segsr()).train()
    one, other = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    maps = network.guidance_maps(one)
    assert network.training and network.guide.training
    assert torch.equal(maps, network.guidance_maps(one)), "LoRA dropout must be off"
    assert (maps - network.guidance_maps(other)).abs().max() > 1e-3
    assert (maps[:, 0] - maps[:, 1]).abs().max() > 1e-4


@pytest.mark.parametrize("build", [toy, segsr])
def test_every_trainable_parameter_gets_a_gradient(build):
    network = shake(build()).train()
    network(torch.rand(2, 3, 16, 16)).square().mean().backward()
    without = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    assert not [name for name, p in network.named_parameters() if not p.requires_grad and p.grad is not None]
    zero = [name for name, p in network.named_parameters() if p.requires_grad and not p.grad.abs().sum() > 0]
    # The key biases of an attention shift every score of a row alike, so their true gradient is zero; and two hidden
    # channels, as the channel attention of this tiny network has, may both be off behind their ReLU.
    # So may the hidden channels of the MetaNet's perceptron.
    excused = (".in_proj_bias", ".qkv.bias", ".k_proj.", ".cab.3.attention.", ".perceptron.")
    assert all(any(part in name for part in excused) for name in zero), zero


# Every combination of the guide's options (tables IV to VI, and what the public code does otherwise).
VARIANTS = [
    {"modules": "sfem"},
    *({"modules": "sfem+lmm", "layer_norm": value} for value in (True, False)),
    *(
        dict(
            zip(
                ("descriptors", "attention_residual", "learned_map_scale", "map_upsampling", "layer_norm"),
                v,
                strict=True,
            )
        )
        for v in itertools.product(DESCRIPTORS, (False, True), (False, True), ("bilinear", "learned"), (True, False))
    ),
]


@pytest.mark.parametrize(
    ("options", "lora"), list(zip(VARIANTS, itertools.cycle(LORA_TARGETS))), ids=lambda part: str(part).strip("{}")
)
def test_every_combination_of_options(options, lora):
    network = toy(units=2, lora_targets=lora, lora_dropout=0.0, **options)
    changes_nothing = options.get("modules") == "sfem" or not options["layer_norm"]
    lq = torch.rand(2, 3, 7, 13)
    assert torch.equal(network(lq), network.base(lq)) == changes_nothing
    shake(network)
    for size in ((1, 1), (7, 13)):
        lq = torch.rand(2, 3, *size)
        sr = network(lq)
        assert sr.shape == (2, 3, 2 * size[0], 2 * size[1]) and sr.isfinite().all()
    assert (sr - network.base(lq)).abs().max() > 1e-3
    sr.square().mean().backward()
    # Plain DDP waits for every gradient.
    assert [name for name, p in network.named_parameters() if p.requires_grad != (p.grad is not None)] == []
    assert any(".lora_" in name for name, p in network.named_parameters()) == (lora != "none")
    assert network.has_maps == (options.get("modules") is None)


# What differs in kind: no maps; maps that everything touches; embeddings that no image changes.
KINDS = [
    {"modules": "sfem"},
    {"modules": "sfem+lmm", "layer_norm": False},
    {"learned_map_scale": True, "map_upsampling": "learned", "attention_residual": True},
    {"descriptors": "p_i+p_g"},
    {"descriptors": "p_g+I_g"},
]


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_units_that_work_on_tokens_take_every_kind_of_guide(options):
    network = shake(segsr(semantics={**TINY_SEMANTICS, "lora_alpha": 2, "lora_dropout": 0.0, **options})).train()
    lq = torch.rand(1, 3, 9, 20)
    sr = network(lq)
    assert sr.shape == (1, 3, 18, 40)
    sr.square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.requires_grad != (p.grad is not None)] == []
    network.eval()
    expected = network(lq)
    torch.testing.assert_close(copy.deepcopy(network)(lq), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = network(lq)
    assert 0 < (near - expected).abs().max() < 0.03 * expected.abs().max()


@pytest.mark.parametrize("options", [KINDS[0], KINDS[2]], ids=str)
def test_every_kind_of_guide_compiles_without_a_graph_break(options):
    network = shake(toy(**options)).eval()
    lq = torch.rand(1, 3, 12, 16)
    torch._dynamo.reset()
    with torch.no_grad():
        compiled = torch.compile(network, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(lq), network(lq), atol=1e-5, rtol=1e-5)


def test_without_localization_there_are_no_maps_to_look_at():
    network = toy(modules="sfem+lmm")
    with pytest.raises(ConfigError, match=r"modules: sfem\+lmm has no maps; only sfem\+slm\+lmm has"):
        network.guidance_maps(torch.rand(1, 3, 8, 8))
    assert not network.has_maps and network.training


def test_guidance_maps_are_the_cosines_whatever_is_learned_about_them():
    network = shake(toy(learned_map_scale=True, map_upsampling="learned")).eval()
    lq = torch.rand(1, 3, 8, 8)
    cosines = network.guide.view(lq).maps
    torch.testing.assert_close(network.guidance_maps(lq), F.interpolate(cosines, size=(8, 8), mode="bilinear"))


@pytest.mark.parametrize("build", [toy, segsr])
def test_compiles_without_a_graph_break_and_gives_the_same(build):
    network = shake(build()).eval()
    lq = torch.rand(1, 3, 16, 16)
    torch._dynamo.reset()
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(lq), network(lq), atol=1e-5, rtol=1e-5)
    assert network._current.signals is None


def test_gradient_checkpointing_recomputes_with_the_guide():
    lq = torch.rand(1, 3, 16, 16)
    gradients = []
    for use_checkpoint in (False, True):
        network = shake(segsr(use_checkpoint=use_checkpoint, semantics={**TINY_SEMANTICS, "lora_dropout": 0.0})).train()
        network(lq).square().mean().backward()
        gradients.append({name: p.grad for name, p in network.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


def test_units_below_a_recomputed_group_are_refused():
    path = "layers.0.residual_group.blocks.1"
    with pytest.raises(ConfigError, match=f"units: {path} lies within layers.0, which gradient checkpointing"):
        segsr(use_checkpoint=True, units=[path])
    assert segsr(units=[path]).unit_paths == [path]


def test_channels_belong_to_their_unit_whatever_the_order_of_the_list():
    network = toy(units=["tail", "body.1"])
    assert [module.channels for module in network.guide.modulation] == [12, 8]


def test_checkpoint_holds_what_was_trained_and_nothing_frozen():
    network = shake(segsr())
    state = network.state_dict()
    assert not [name for name in state if "visual." in name and "lora_" not in name]
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert trained <= set(state)
    assert {"guide.localization.local_descriptors", "guide.localization.global_descriptor"} <= set(state)
    fresh = segsr()
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    fresh.load_state_dict(torch.load(buffer, weights_only=True), strict=True)
    lq = torch.rand(1, 3, 10, 10)
    torch.testing.assert_close(fresh.eval()(lq), network.eval()(lq))


def test_checkpoint_beside_another_vlm_names_both():
    state = segsr().state_dict()
    other = segsr(semantics={**TINY_SEMANTICS, "random_seed": 5})
    for strict in (True, False):
        with pytest.raises(CheckpointError, match=r"inline with weights random\(0\).*inline with weights random\(5\)"):
            other.load_state_dict(state, strict=strict)


def test_checkpoint_of_another_scale_is_refused_when_strict_only():
    state = segsr(upscale=2).state_dict()
    other = segsr(upscale=4)
    with pytest.raises(CheckpointError, match="upscale 2 in the file, 4 here"):
        other.load_state_dict(state)
    fitting = {name: value for name, value in state.items() if not name.startswith("base.upsample")}
    other.load_state_dict(fitting, strict=False)
    torch.testing.assert_close(other.base.conv_first.weight, state["base.conv_first.weight"])


def test_weights_of_the_base_alone_belong_elsewhere(tmp_path):
    base = HAT(upscale=2, **TINY_HAT)
    with pytest.raises(CheckpointError, match="no checkpoint of a guided network.*pretrain_base"):
        segsr().load_state_dict(base.state_dict())
    path = tmp_path / "hat.pth"
    torch.save({"params": {}, "params_ema": base.state_dict()}, path)
    network = segsr(pretrain_base=str(path))
    for name, value in base.state_dict().items():
        assert torch.equal(network.base.state_dict()[name], value), name
    with pytest.raises(CheckpointError, match="does not fit the HAT"):
        segsr(pretrain_base=str(path), upscale=4)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="hat.pth cannot be read as weights: it is text"):
        segsr(pretrain_base=str(path))


def test_units_are_chosen_in_equal_groups_or_by_path():
    assert select_units(ToyNet(), 2) == ["body.1", "body.3"]
    assert select_units(ToyNet(), None) == [f"body.{i}" for i in range(4)]
    assert select_units(ToyNet(), 3)[-1] == "body.3"
    assert select_units(ToyNet(), ["body.2"]) == ["body.2"]
    for wrong in (0, 5, True):
        with pytest.raises(ConfigError, match="units: must be from 1 to 4"):
            select_units(ToyNet(), wrong)
    for wrong in ([], ["body.1", "body.1"]):
        with pytest.raises(ConfigError, match="at least one, each once"):
            select_units(ToyNet(), wrong)
    with pytest.raises(ConfigError, match="'bodi.1' is no module of ToyNet; near: body"):
        select_units(ToyNet(), ["bodi.1"])


def test_network_without_a_layout_says_where_to_declare_it():
    with pytest.raises(ConfigError, match="no layout of units is declared for Linear.*capabilities.FOREIGN"):
        GuidedNetwork(base=nn.Linear(1, 1))


def test_input_must_be_rgb():
    with pytest.raises(ConfigError, match="needs RGB"):
        toy()(torch.rand(1, 4, 8, 8))


def test_misspelt_option_fails():
    with pytest.raises(TypeError, match="embed_dims"):
        SeGSR(embed_dims=3)
    with pytest.raises(ConfigError, match="lora_rnk.*lora_rank"):
        segsr(semantics={**TINY_SEMANTICS, "lora_rnk": 3})


def test_full_size_has_the_papers_counts_and_a_small_checkpoint(tmp_path):
    network = SeGSR(upscale=4, semantics={"vlm": "ViT-B-16-quickgelu", "pretrained": None})
    counts = network.parameter_counts()
    print(counts)
    assert round(counts["base"] / 1e6, 2) == 20.77
    assert counts["vlm"] == 86_192_640  # ViT-B/16 image tower of CLIP
    assert counts["lora"] == 12 * 32 * (3 * (768 + 768) + 2 * (768 + 3072))
    localization = 7 * 512 + (512 * 32 + 32 + 32 * 512 + 512) + 3 * (512 * 512 + 512) + 4 * (512 * 512 + 512)
    localization += 3 * (512 * 512 + 512)
    modulation = 6 * (128 * 9 + 128 + 2 * (128 * 180 * 9 + 180))
    assert counts["guide"] == localization + modulation
    path = tmp_path / "net_g.pth"
    state = {name: value.clone() for name, value in network.state_dict().items()}
    torch.save({"params": network.state_dict(), "params_ema": state}, path)
    assert all(value.dtype == torch.float32 for name, value in state.items() if value.is_floating_point())
    assert path.stat().st_size < 300e6


def test_tiny_vlm_is_tiny():
    assert segsr().parameter_counts()["vlm"] < 100_000 and TINY_VLM["embed_dim"] == 32
