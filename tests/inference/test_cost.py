import pytest
import torch
from basicsr.archs import build_network
from torch import nn

from segsr_arch.inference.cost import count_macs, measure_cost
from tests.support import TINY_HAT, TINY_SEMANTICS


def test_macs_of_a_convolution_and_a_product_by_hand():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Flatten(2), nn.Linear(6 * 5, 7))
    assert count_macs(network, (6, 5)) == 6 * 5 * 8 * 3 * 9 + 8 * 30 * 7


def test_attention_in_windows_is_counted():
    """Windows of 8 x 8 and overlapping keys of 12 x 12, two groups of two blocks, two heads padded to width 8."""
    network = build_network({"type": "HAT", "upscale": 2, **TINY_HAT}).eval()
    counted = count_macs(network, (16, 16))
    windows, width = 4, 2 * 8
    attention = 2 * 4 * windows * 64 * 64 * width + 2 * 2 * windows * 64 * 144 * width
    without = _count_without_attention(network)
    assert counted - without == attention


def _count_without_attention(network):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.rand(1, 3, 16, 16))
    own = sum(value for name, value in counter.get_flop_counts()["Global"].items() if "window_attention" in str(name))
    return (counter.get_total_flops() - own) // 2


def test_cost_counts_what_is_trained_and_leaves_the_mode(tmp_path):
    guided = {"type": "SeGSR", "upscale": 2, "semantics": dict(TINY_SEMANTICS), **TINY_HAT}
    network = build_network(guided).train()
    cost = measure_cost(network, lr_size=(16, 16), repeats=2)
    assert network.training
    counts = network.parameter_counts()
    assert cost.parameters == sum(counts.values()) and cost.trainable == cost.parameters - counts["vlm"]
    assert cost.seconds > 0 and cost.lr_size == (16, 16) and cost.device.startswith("CPU")
    plain = measure_cost(build_network({"type": "HAT", "upscale": 2, **TINY_HAT}), lr_size=(16, 16), repeats=1)
    assert plain.macs < cost.macs


def test_an_image_that_is_no_multiple_of_the_window_costs_what_its_padding_costs():
    swin = {"type": "SwinIR", "upscale": 2, "img_size": 24, "window_size": 12, "embed_dim": 12, "depths": [2]}
    network = build_network({**swin, "num_heads": [2], "upsampler": "pixelshuffledirect"})
    cost = measure_cost(network, repeats=1)
    assert cost.lr_size == (64, 64)
    assert cost.macs == count_macs(network, (72, 72)) > count_macs(network, (60, 60))


@pytest.mark.slow
def test_full_size_network_has_the_known_cost():
    """HAT x4 of the paper: about 104 GMAC for 64 x 64, and 2 % more for heads padded from 30 to 32."""
    network = build_network({"type": "HAT", "upscale": 4}).eval()
    assert count_macs(network) == pytest.approx(106.3e9, rel=0.01)
