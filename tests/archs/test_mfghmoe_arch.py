import copy

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from segsr_arch.archs.hat_arch import HAT
from segsr_arch.archs.mfghmoe.experts import ExpertConvolution
from segsr_arch.archs.mfghmoe_arch import MFGHMOE
from segsr_arch.errors import ConfigError

TINY = {
    "upscale": 2,
    "embed_dim": 12,
    "depths": (1, 1),
    "num_heads": (2, 3),
    "window_size": 4,
    "squeeze_factor": 4,
    "drop_path_rate": 0.0,
}


def make(**options):
    torch.manual_seed(0)
    return MFGHMOE(**{**TINY, **options})


def experts(**options):
    """Experts with a gate that is not undecided, in float64."""
    torch.manual_seed(0)
    module = ExpertConvolution(
        **{"dim": 6, "outputs": 8, "kernels": (1, 3, 5), "experts": 2, "learned": True, **options}
    )
    for parameter in module.gate.parameters():
        torch.nn.init.normal_(parameter)
    return module.double()


def features(seed, size=(2, 9, 7)):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*size, 6, dtype=torch.float64, generator=generator).requires_grad_()


@pytest.mark.parametrize("learned", [False, True])
def test_the_chosen_alone_give_what_all_experts_give_and_their_gradients(learned):
    module, x, levels = experts(learned=learned), features(1), features(2)
    weights = torch.randn(2, 9, 7, 8, dtype=torch.float64)
    choice, probabilities = module.gate(levels.flatten(0, 2))
    assert {0, 1, 2} <= {expert // 2 for expert in choice.tolist()}, "each group is chosen somewhere"
    results = []
    for output in (module(x, levels), module._all(x, choice, probabilities)):
        inputs = (x, levels, *module.parameters())
        gradients = torch.autograd.grad((output * weights).sum(), inputs, allow_unused=True)
        results.append((output, *(torch.zeros(1) if each is None else each for each in gradients)))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)
    gate = results[0][-len(list(module.gate.parameters())) :]
    assert all(bool(gradient.any()) is learned for gradient in (results[0][2], *gate))


def test_a_pixel_gets_the_most_probable_expert_of_the_most_probable_group():
    module, levels = experts(), features(2, size=(1, 9, 9))
    choice, probabilities = module.gate(levels.flatten(0, 2))
    torch.testing.assert_close(probabilities.sum(1), torch.ones(81, dtype=torch.float64))
    by_group = probabilities.view(81, 3, 2)
    group = by_group.sum(2).argmax(1)
    assert torch.equal(choice // 2, group)
    assert torch.equal(choice % 2, by_group[torch.arange(81), group].argmax(1))


def test_an_expert_that_no_pixel_gets_costs_nothing_and_has_a_gradient_all_the_same():
    module, x, levels = experts(kernels=(1, 3)), features(1), features(2)
    with torch.no_grad():
        module.gate.w_group_gate.weight.zero_()
        module.gate.w_group_gate.bias.copy_(torch.tensor([1.0, -1.0]))
    with FlopCounterMode(display=False) as counter:
        output = module(x, levels)
    gate = 2 * 126 * 6 * (2 + 2 + 2)
    assert counter.get_total_flops() == gate + 2 * 126 * 6 * 8
    output.sum().backward()
    assert [bool(expert.weight.grad.any()) for expert in module.experts[2:]] == [False, False]


def test_both_gates_compute_the_same_with_the_same_weights():
    hard, learned = make(gate="hard").eval(), make(gate="learned").eval()
    learned.load_state_dict(hard.state_dict(), strict=True)
    image = torch.rand(2, 3, 7, 10)
    with torch.no_grad():
        assert torch.equal(hard(image), learned(image))
    assert torch.equal(copy.deepcopy(learned)(image), learned(image))


def test_a_hard_gate_leaves_seventeen_tensors_of_two_groups_as_they_began():
    network = make(gate="hard").train()
    network(torch.rand(2, 3, 8, 8)).square().mean().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    assert without == network.idle() and len(without) == 17
    assert without == [name for name, p in network.named_parameters() if not p.requires_grad]


def test_a_learned_gate_and_what_it_reads_learn():
    network = make().train()
    network(torch.rand(2, 3, 8, 8)).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []
    assert [name for name in network.idle() if not network.get_parameter(name).grad.any()] == []


def test_training_makes_the_gate_choose_the_expert_that_fits():
    module = experts(kernels=(1, 3), experts=1)
    x, levels = features(1).detach(), features(2).detach()
    with torch.no_grad():
        wanted = module.experts[1](x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    optimizer = torch.optim.Adam(module.gate.parameters(), lr=0.1)
    shares = []
    for _ in range(30):
        optimizer.zero_grad()
        (module(x, levels) - wanted).square().mean().backward()
        optimizer.step()
        shares.append(module.gate(levels.flatten(0, 2))[0].double().mean().item())
    assert shares[0] < 0.8 and shares[-1] == 1


@pytest.mark.parametrize("scale", [1, 3, 8])
def test_other_scales_and_sizes(scale):
    with torch.no_grad():
        assert make(upscale=scale).eval()(torch.rand(2, 3, 5, 9)).shape == (2, 3, 5 * scale, 9 * scale)


def test_no_mean_is_subtracted():
    assert not make().mean.any() and HAT(**TINY).mean.any()


@pytest.mark.parametrize("train", [False, True])
def test_compiles_as_one_graph(train):
    network, image = make(depths=(1,), num_heads=(2,)).train(train), torch.rand(1, 3, 6, 8)
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(image), network(image))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gate": "soft"}, "MFG-HMoE: gate: 'soft': give learned or hard"),
        ({"num_experts": 3}, r"num_experts: 3: give a multiple of the number of expert_kernels \(2\)"),
        ({"expert_kernels": (1, 4)}, r"expert_kernels: \[1, 4\]: give odd numbers"),
        ({"expert_kernels": 3}, "expert_kernels: 3: give a list of whole numbers of at least 1, one for each group of"),
        ({"squeeze_factor": 30}, "squeeze_factor: 30: give a number above 0 and at most embed_dim"),
    ],
)
def test_wrong_arguments_are_named_with_a_remedy(options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)
