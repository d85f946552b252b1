"""What a training does with a guided network, whatever its base: save, copy, average, compile, half precision."""

import copy
import io
import pickle

import pytest
import torch

from segsr_arch.errors import CheckpointError
from segsr_arch.models.ema import MovingAverage, copy_sharing_frozen
from tests.guiding.bases import BASES, build, images
from tests.guiding.test_guided_network import shake
from tests.networks import CHOOSING

IN_DEPTH = ("EDSR", "RCAN", "HAT")  # those of table VII


@pytest.mark.parametrize("name", BASES)
def test_what_is_saved_is_what_is_loaded(name):
    network = shake(build(name)).eval()
    content = io.BytesIO()
    torch.save(network.state_dict(), content)
    content.seek(0)
    restored = build(name).eval()
    restored.load_state_dict(torch.load(content, weights_only=True))
    lq = images(9, 12)
    with torch.no_grad():
        torch.testing.assert_close(restored(lq), network(lq))
    with pytest.raises(CheckpointError, match="units 2 .* in the file, 1 "):
        build(name, units=1).load_state_dict(network.state_dict())


@pytest.mark.parametrize(
    "name", [*IN_DEPTH, *(pytest.param(name, marks=pytest.mark.slow) for name in BASES if name not in IN_DEPTH)]
)
def test_compiles_without_a_graph_break_and_gives_the_same(name):
    network = shake(build(name)).eval()
    lq = images(16, 16)
    torch._dynamo.reset()
    with torch.no_grad():
        compiled = torch.compile(network, fullgraph=True, backend="eager")(lq)
        torch.testing.assert_close(compiled, network(lq), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", BASES)
def test_copies_have_hooks_of_their_own(name):
    network = shake(build(name)).eval()
    lq = images(8, 12)
    with torch.no_grad():
        before = network(lq)
        for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network)), copy_sharing_frozen(network)):
            torch.testing.assert_close(twin(lq), before)
            for parameter in twin.guide.modulation.parameters():
                parameter.zero_()
            assert (twin(lq) - before).abs().max() > 1e-4, "its own guide is the one that counts"
            torch.testing.assert_close(network(lq), before)


@pytest.mark.parametrize("name", IN_DEPTH)
def test_the_average_of_a_training_follows_it(name):
    network = build(name)
    moving = MovingAverage(network)
    average = moving.network
    frozen = {key: p for key, p in network.named_parameters() if not p.requires_grad}
    assert frozen and all(average.get_parameter(key) is p for key, p in frozen.items())
    shake(network).eval()
    lq = images(8, 12)
    with torch.no_grad():
        assert (average(lq) - network(lq)).abs().max() > 1e-3
        moving.update(0.0)
        torch.testing.assert_close(average(lq), network(lq))


@pytest.mark.parametrize("name", BASES)
def test_half_precision_is_close(name):
    network = shake(build(name)).eval()
    lq = images(15, 17)
    with torch.no_grad():
        expected = network(lq)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = network(lq).float()
    far = (half - expected).abs() >= 0.03 * expected.abs().max()
    assert far.float().mean() <= CHOOSING.get(name, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = network.train()(lq).float().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters() if p.requires_grad)
