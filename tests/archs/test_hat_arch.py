import copy
import io
import pickle

import pytest
import torch
import torch.nn.functional as F

from segsr_arch.archs.hat_arch import HAT
from segsr_arch.archs.parts.perceptron import Mlp
from segsr_arch.errors import ConfigError

TINY = {
    "upscale": 2,
    "embed_dim": 12,
    "depths": (2, 1),
    "num_heads": (2, 3),
    "window_size": 4,
    "squeeze_factor": 4,
    "drop_path_rate": 0.0,
}


def make(**options):
    torch.manual_seed(0)
    return HAT(**{**TINY, **options})


def test_an_option_file_finds_it():
    # Here, because the plugin has to come before basicsr.
    from basicsr.archs import build_network
    from basicsr.utils.registry import ARCH_REGISTRY

    assert build_network({"type": "HAT", **TINY}).upscale == 2
    assert ARCH_REGISTRY.get("HAT") is HAT


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (7, 4), (8, 8)])
def test_any_size_and_the_padding_is_by_reflection(size):
    network = make().eval()
    image = torch.rand(2, 3, *size)
    padded = torch.nn.functional.pad(image, (0, 0, 0, 0))
    for dim in (2, 3):
        while padded.shape[dim] % 4:
            length = image.shape[dim]
            place = padded.shape[dim] % max(2 * (length - 1), 1)
            place = min(place, 2 * (length - 1) - place) if length > 1 else 0
            padded = torch.cat([padded, padded.narrow(dim, place, 1)], dim)
    with torch.no_grad():
        result, expected = network(image), network(padded)
    assert result.shape == (2, 3, 2 * size[0], 2 * size[1])
    assert result.is_contiguous()
    torch.testing.assert_close(result, expected[:, :, : 2 * size[0], : 2 * size[1]])


def test_groups_pass_on_nhwc_and_hooks_replace_it():
    network = make().eval()
    image = torch.rand(2, 3, 5, 10)
    plain, seen = network(image), []

    def replace(_module, args, output):
        seen.append((args[0].shape, output.shape))
        # Another memory layout must do as well.
        return (2 * output).permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)

    handles = [layer.register_forward_hook(replace) for layer in network.layers]
    hooked = network(image)
    assert seen == [((2, 8, 12, 12),) * 2] * 2
    assert not torch.allclose(hooked, plain)
    handles[1].remove()
    network.norm.register_forward_pre_hook(lambda _module, args: (2 * args[0],))
    torch.testing.assert_close(network(image), hooked)


def test_every_parameter_gets_a_gradient():
    network = make().train()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("attention.1.bias"):
                parameter.fill_(1.0)  # before a rectifier, which might shut all of the few channels
    network(torch.rand(2, 3, 8, 8)).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_checkpointing_changes_memory_only_and_runs_hooks_once():
    networks = make(depths=(4, 4)), make(depths=(4, 4), use_checkpoint=True)
    image, calls = torch.rand(1, 3, 16, 16), []
    networks[1].layers[0].register_forward_hook(lambda *_: calls.append(1))
    saved = []
    for network in networks:
        numbers = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, n=numbers: (n.append(t.numel()), t)[1], lambda t: t):
            loss = network.train()(image).square().mean()
        saved.append(sum(numbers))
        loss.backward()
    for (name, plain), again in zip(networks[0].named_parameters(), networks[1].parameters(), strict=True):
        torch.testing.assert_close(plain.grad, again.grad, msg=name)
    assert calls == [1]
    assert saved[1] < saved[0] / 2


def test_dropped_paths_leave_whole_images_out_and_keep_the_mean():
    network = make(drop_path_rate=0.5)
    drop = network.layers[1].residual_group.blocks[0].drop_path
    assert drop.rate == 0.5
    torch.manual_seed(0)
    ones = torch.ones(2000, 1, 1, 2)
    factors = drop.train()(3 * ones, ones) - 3
    assert factors.unique().tolist() == [0, 2]
    assert torch.equal(factors[..., 0], factors[..., 1])
    assert abs(factors.mean() - 1) < 0.1
    assert torch.equal(drop.eval()(ones, factors), ones + factors)


@pytest.mark.parametrize("mode", ["autocast", "cast"])
def test_bfloat16_stays_near_float32(mode):
    network, image = make().eval(), torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        exact = network(image)
        if mode == "autocast":
            with torch.autocast("cpu", dtype=torch.bfloat16):
                rounded = network(image)
        else:
            rounded = copy.deepcopy(network).bfloat16()(image.bfloat16())
            assert rounded.dtype == torch.bfloat16
    assert (rounded - exact).abs().max() < 0.02 * exact.abs().max()


def test_training_under_autocast_gives_float32_gradients_near_the_exact_ones():
    exact, rounded = make().train(), make().train()
    image = torch.rand(1, 3, 8, 8)
    exact(image).square().mean().backward()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = rounded(image).square().mean()
    loss.backward()
    name = "layers.0.residual_group.blocks.1.attn.qkv.weight"
    gradients = [network.get_parameter(name).grad for network in (exact, rounded)]
    assert gradients[1].dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(*(g.flatten() for g in gradients), dim=0) > 0.98


@pytest.mark.parametrize("train", [False, True])
def test_compiles_as_one_graph(train):
    network, image = make(depths=(2,), num_heads=(2,)).train(train), torch.rand(1, 3, 6, 8)
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(image), network(image))
    if train:
        compiled(image).sum().backward()
        assert network.conv_first.weight.grad is not None


def test_copies_and_pickles_compute_the_same_and_follow_their_own_weights():
    network, image = make().eval(), torch.rand(1, 3, 8, 8)
    expected = network(image)
    saved = io.BytesIO()
    torch.save(network.state_dict(), saved)
    saved.seek(0)
    loaded = make()
    loaded.load_state_dict(torch.load(saved, weights_only=True))
    copies = copy.deepcopy(network), pickle.loads(pickle.dumps(network)), loaded.eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
    assert not torch.allclose(network(image), expected)
    for other in copies:
        assert torch.equal(other(image), expected)


def test_distributed_training_finds_no_unused_parameter(tmp_path):
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        parallel = torch.nn.parallel.DistributedDataParallel(make())
        for _ in range(2):  # a parameter without gradient fails in the second step
            parallel(torch.rand(1, 3, 4, 4)).square().mean().backward()
        assert parallel.module.conv_first.weight.grad.any()
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"upscale": 5}, "upscale: 5: give one of 1, 2, 3, 4, 8"),
        ({"embed_dim": 13}, r"num_heads: 2: give a divisor of embed_dim \(13\)"),
        ({"num_heads": (2,)}, r"num_heads: \[2\]: give as many entries as depths has \(2\)"),
        ({"depths": 6}, "depths: 6: give a list"),
        ({"window_size": 0}, "window_size: 0: give a whole number"),
        (
            {"window_size": 7, "overlap_ratio": 0.5},
            "overlap_ratio: 0.5: window_size . overlap_ratio is 3; make it even",
        ),
        ({"img_size": 3}, r"img_size: 3: give at least window_size \(4\)"),
        ({"squeeze_factor": 30}, r"squeeze_factor: 30: give a number above 0 and at most embed_dim \(12\)"),
        ({"drop_path_rate": 1.0}, "drop_path_rate: 1.0"),
        ({"upsampler": "nearest+conv"}, "upsampler: 'nearest.conv': HAT has only pixelshuffle"),
        ({"resi_connection": "3conv"}, "resi_connection: '3conv': give 1conv or identity"),
        ({"img_range": 0}, "img_range: 0"),
        ({"mlp_ratio": "2"}, "mlp_ratio: '2': give a number above 0"),
        ({"upscale": 6, "in_chans": 0}, "in_chans: 0.*upscale: 6"),
    ],
)
def test_wrong_arguments_are_named_with_a_remedy(options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)


def test_initial_values_are_the_published_ones():
    network = make(embed_dim=60, num_heads=(6, 6))
    block = network.layers[0].residual_group.blocks[0]
    for tensor in (block.attn.qkv.weight, block.mlp.fc1.weight, block.attn.relative_position_bias_table):
        assert abs(tensor.std() - 0.02) < 0.003
    assert not block.attn.qkv.bias.any() and not block.norm1.bias.any()
    assert (block.norm1.weight == 1).all()


def test_the_recomputed_activation_of_the_mlp_changes_no_gradient():
    torch.manual_seed(0)
    mlp = Mlp(dim=3, hidden=5).double()
    x = torch.randn(2, 4, 4, 3, dtype=torch.float64, requires_grad=True)
    inputs = (x, *mlp.parameters())
    plain = F.linear(F.gelu(F.linear(x, mlp.fc1.weight, mlp.fc1.bias)), mlp.fc2.weight, mlp.fc2.bias)
    weights = torch.randn_like(plain)
    torch.testing.assert_close(mlp(x), plain)
    gradients = [torch.autograd.grad((output * weights).sum(), inputs) for output in (mlp(x), plain)]
    torch.testing.assert_close(*gradients)


def test_the_mlp_keeps_the_input_of_its_activation_alone():
    mlp, kept = Mlp(dim=8, hidden=64), []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        mlp(torch.randn(100, 8))
    assert [tensor.shape for tensor in kept if tensor.shape[-1] == 64 and len(tensor) == 100] == [(100, 64)]


def test_gradients_under_autocast_are_near_those_in_float32_and_have_the_type_of_the_weights():
    network, image = make(drop_path_rate=0.0).train(), torch.rand(1, 3, 16, 16)
    gradients = []
    for half in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            network(image).float().square().mean().backward()
        gradients.append({name: parameter.grad for name, parameter in network.named_parameters()})
    exact, rounded = gradients
    assert all(gradient.dtype == torch.float32 for gradient in rounded.values())
    for name in ("layers.0.residual_group.blocks.0.mlp.fc1.weight", "layers.0.residual_group.blocks.1.attn.qkv.weight"):
        assert (rounded[name] - exact[name]).norm() < 0.05 * exact[name].norm()
