import pytest
import torch
from torch import nn

from segsr_arch.inference.pass_memory import pass_memory


def measure(network, image):
    def run(image):
        with torch.no_grad():
            network(image)

    return pass_memory(network, run, image)


def test_two_convolutions_hold_input_and_output_of_the_second_at_once():
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 12, 1), nn.Conv2d(12, 1, 1))
    image = torch.rand(1, 3, 10, 20)
    assert measure(network, image) == 4 * 200 * (8 + 12)
    assert measure(network, image) == 4 * 200 * (8 + 12), "what is over is not held"


def test_views_of_weights_and_of_the_image_take_nothing():
    class Views(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.rand(4, 4))
            self.register_buffer("mean", torch.rand(4))

        def forward(self, x):
            return self.weight.t(), self.mean.view(2, 2), x.flatten()

    assert measure(Views(), torch.rand(1, 1, 2, 2)) == 0


def test_what_changes_in_place_is_held_once():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True))
    assert measure(network, torch.rand(1, 3, 8, 8)) == 4 * 64 * 4


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
def test_on_a_gpu_the_allocator_tells():
    network = nn.Conv2d(3, 8, 1).cuda()
    assert measure(network, torch.rand(1, 3, 64, 64, device="cuda")) >= 4 * 8 * 64 * 64
