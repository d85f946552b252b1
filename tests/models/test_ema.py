import pytest
import torch
from torch import nn

from segsr_arch.models.ema import copy_sharing_frozen, update_average


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
    average = copy_sharing_frozen(net)
    old = net[2].weight.detach().clone()
    frozen = net[0].weight.detach().clone()
    with torch.no_grad():
        net[2].weight.add_(1.0)
    update_average(average, net, 0.9)
    torch.testing.assert_close(average[2].weight, old + 0.1)
    assert torch.equal(net[0].weight, frozen)
    update_average(average, net, 0)
    torch.testing.assert_close(average[2].weight, net[2].weight)


@pytest.mark.parametrize("decay", [0.0, 0.999])
def test_statistics_of_the_data_are_those_of_the_network(decay):
    net = network()
    average = copy_sharing_frozen(net)
    for _ in range(5):
        net(torch.randn(8, 3) + 3)
    update_average(average, net, decay)
    assert average[1].num_batches_tracked == 5
    assert torch.equal(average[1].running_mean, net[1].running_mean) and average[1].running_mean.abs().min() > 0.1
    net(torch.randn(8, 3))
    assert average[1].num_batches_tracked == 5, "it is a copy"
