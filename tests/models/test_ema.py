import pytest
import torch
from torch import nn

from segsr_arch.models.ema import MovingAverage, copy_sharing_frozen, decay_at


def network():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    net[0].requires_grad_(False)
    return net


def test_frozen_is_shared_and_trained_is_copied():
    net = network()
    average = copy_sharing_frozen(net)
    assert average[0].weight is net[0].weight
    assert average[2].weight is not net[2].weight
    assert not any(p.requires_grad for p in average.parameters()) and not average.training
    assert net[2].weight.requires_grad and net.training


def test_average_follows_by_the_decay():
    net = network()
    moving = MovingAverage(net)
    average = moving.network
    old = net[2].weight.detach().clone()
    frozen = net[0].weight.detach().clone()
    with torch.no_grad():
        net[2].weight.add_(1.0)
    moving.update(0.9)
    torch.testing.assert_close(average[2].weight, old + 0.1)
    assert torch.equal(net[0].weight, frozen)
    moving.update(0)
    torch.testing.assert_close(average[2].weight, net[2].weight)


def test_warm_up_follows_faster_until_the_decay_is_reached():
    assert [decay_at(at, 0.999, warmup=True) for at in (1, 10, 100)] == pytest.approx([2 / 11, 11 / 20, 101 / 110])
    assert decay_at(8989, 0.999, warmup=True) < 0.999 == decay_at(8992, 0.999, warmup=True)
    assert decay_at(1, 0.5, warmup=True) == pytest.approx(2 / 11) and decay_at(1, 0.5, warmup=False) == 0.5
    assert decay_at(100, 0.5, warmup=True) == 0.5


@pytest.mark.parametrize("decay", [0.0, 0.999])
def test_statistics_of_the_data_are_those_of_the_network(decay):
    net = network()
    moving = MovingAverage(net)
    average = moving.network
    for _ in range(5):
        net(torch.randn(8, 3) + 3)
    moving.update(decay)
    assert average[1].num_batches_tracked == 5
    assert torch.equal(average[1].running_mean, net[1].running_mean) and average[1].running_mean.abs().min() > 0.1
    net(torch.randn(8, 3))
    assert average[1].num_batches_tracked == 5, "it is a copy"


def plain_average(old, new, decay):
    """The formula, in float64."""
    return decay * old.double() + (1 - decay) * new.double()


@pytest.mark.parametrize("decay", [0.0, 0.4, 0.999])
def test_average_over_many_steps_equals_the_plain_formula(decay):
    net = network()
    average = MovingAverage(net)
    expected = {name: value.double() for name, value in net.named_parameters()}
    for seed in range(50):
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in net.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.1 * torch.randn(parameter.shape))
        average.update(decay)
        expected = {name: plain_average(expected[name], value, decay) for name, value in net.named_parameters()}
    for name, value in average.network.named_parameters():
        torch.testing.assert_close(value.double(), expected[name].detach(), atol=1e-6, rtol=1e-6, msg=name)
    assert average.network[0].weight is net[0].weight


def test_update_walks_no_module(monkeypatch):
    average = MovingAverage(network())
    monkeypatch.setattr(nn.Module, "named_modules", None)
    average.update(0.5)


def test_a_buffer_that_is_replaced_is_followed():
    net = network()
    average = MovingAverage(net)
    net[1].running_mean = torch.full((3,), 7.0)
    average.update(0.9)
    assert average.network[1].running_mean.tolist() == [7.0] * 3


def test_weights_that_are_loaded_later_are_averaged():
    net = network()
    average = MovingAverage(net)
    net.load_state_dict({name: torch.ones_like(value) for name, value in net.state_dict().items()})
    average.update(0.0)
    assert average.network[2].weight.unique().tolist() == [1.0]


def test_a_network_without_anything_trained():
    net = network().requires_grad_(False)
    average = MovingAverage(net)
    net[1].running_mean.fill_(3.0)
    average.update(0.5)
    assert average.network[1].running_mean.tolist() == [3.0] * 3
