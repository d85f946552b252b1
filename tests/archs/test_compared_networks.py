"""What holds for each of the networks that are compared with SeG-SR and written from their papers."""

import copy

import pytest
import torch
from basicsr.archs import build_network

from segsr_arch.capabilities import size_rule_of
from segsr_arch.guiding.units import entries
from segsr_arch.inference.cost import count_macs
from segsr_arch.padding import pad_to_multiple
from tests.archs.published import PUBLISHED
from tests.networks import make
from tests.support import TINY_SEMANTICS

NAMES = list(PUBLISHED)
GATES = (".attention.",)  # few channels behind a rectifier, which may be off


def trained(name, **options):
    """A tiny network whose weights are all at work: nothing is multiplied with zero, as at the start."""
    network = make(name, **options).train()
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.3)
    return network


def image(height, width, count=1):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(height))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_work_are_the_published_ones(name):
    published = PUBLISHED[name]
    with torch.device("meta"):
        networks = {scale: build_network({"type": name, "upscale": scale}).eval() for scale in (2, 4)}
    for scale, millions in published.parameters.items():
        assert sum(p.numel() for p in networks[scale].parameters()) == pytest.approx(1e6 * millions, rel=0.03)
    assert count_macs(networks[4]) == pytest.approx(1e9 * published.gmacs, rel=0.03)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("name", NAMES)
def test_any_size_at_every_scale_and_padding_is_by_reflection(name, scale):
    network = trained(name, upscale=scale).eval()
    for height, width in ((1, 1), (1, 9), (7, 12), (16, 8)):
        lq = image(height, width, count=2)
        with torch.no_grad():
            sr = network(lq)
            whole = network(pad_to_multiple(lq, size_rule_of(network).multiple))
        assert sr.shape == (2, 3, scale * height, scale * width) and sr.is_contiguous() and sr.isfinite().all()
        torch.testing.assert_close(sr, whole[:, :, : scale * height, : scale * width])


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient(name):
    network = trained(name)
    network(image(16, 24, count=2)).square().mean().backward()
    idle = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert [key for key in idle if not any(part in key for part in GATES)] == []
    assert all(network.get_parameter(key).grad is not None for key in idle)


@pytest.mark.parametrize("name", NAMES)
def test_images_of_a_batch_do_not_see_each_other(name):
    network = trained(name).eval()
    batch = image(11, 14, count=3)
    with torch.no_grad():
        torch.testing.assert_close(network(batch)[1:2], network(batch[1:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_computing_units_again_changes_memory_only(name):
    networks = trained(name), trained(name, use_checkpoint=True)
    saved = []
    for network in networks:
        numbers = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, n=numbers: (n.append(t.numel()), t)[1], lambda t: t):
            loss = network(image(16, 16)).square().mean()
        saved.append(sum(numbers))
        loss.backward()
    for (key, plain), again in zip(networks[0].named_parameters(), networks[1].parameters(), strict=True):
        torch.testing.assert_close(plain.grad, again.grad, msg=key, rtol=1e-4, atol=1e-6)
    assert saved[1] < saved[0]


@pytest.mark.parametrize("name", NAMES)
def test_training_under_autocast_gives_float32_gradients_near_the_exact_ones(name):
    exact, rounded = trained(name), trained(name)
    exact(image(16, 16)).square().mean().backward()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = rounded(image(16, 16)).square().mean()
    loss.backward()
    gradients = [network.conv_first.weight.grad for network in (exact, rounded)]
    assert gradients[1].dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(*(g.flatten() for g in gradients), dim=0) > 0.95


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_computes_the_same_and_has_its_own_weights(name):
    network = trained(name).eval()
    other, lq = copy.deepcopy(network), image(8, 8)
    with torch.no_grad():
        expected = network(lq)
        for parameter in network.parameters():
            parameter.mul_(1.5)
        assert not torch.allclose(network(lq), expected)
        assert torch.equal(other(lq), expected)


@pytest.mark.parametrize("name", NAMES)
def test_compiles_as_one_graph(name):
    network, lq = trained(name), image(8, 16)
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(lq), network(lq), rtol=1e-4, atol=1e-5)
    compiled(lq).sum().backward()
    assert network.conv_first.weight.grad.any()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_guided_in_its_own_units(name):
    torch.manual_seed(0)
    base = {"type": name, "upscale": 3, **PUBLISHED[name].tiny}
    network = build_network({"type": "SemanticSR", "base": base, "semantics": TINY_SEMANTICS}).train()
    assert network.unit_paths == entries(network.base)
    assert [output.stride for output in network.unit_outputs] == list(PUBLISHED[name].strides)
    sr = network(image(13, 18, count=2))
    assert sr.shape == (2, 3, 39, 54)
    sr.square().mean().backward()
    assert [key for key, p in network.named_parameters() if p.requires_grad and p.grad is None] == []
