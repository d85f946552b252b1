import copy

import pytest
import torch
from basicsr.models import build_model
from torch import nn

from segsr_arch.models.optimization import choose_kernels, split_lora
from tests.models.tiny import batch, tiny_options


def build(root, **train):
    torch.manual_seed(0)
    return build_model(tiny_options(root, train=train))


def step(model, iteration=1):
    model.feed_data(batch(iteration))
    model.optimize_parameters(iteration)
    return model


def weights(model):
    return {name: value.clone() for name, value in model.net_g.state_dict().items()}


@pytest.mark.parametrize(
    ("optim_type", "options", "device", "fused"),
    [
        ("Adam", {}, "cpu", True),
        ("AdamW", {"weight_decay": 0.1}, "cuda", True),
        ("SGD", {"momentum": 0.9}, "cpu", True),
        ("RMSprop", {}, "cpu", None),  # has none
        ("Adagrad", {}, "cpu", None),  # not on every device
        ("Adam", {}, "mps", None),
        ("Adam", {"fused": False}, "cpu", False),
        ("Adam", {"foreach": True}, "cpu", None),
        ("Adam", {"differentiable": True}, "cpu", None),
    ],
)
def test_fused_kernels_where_they_exist_and_the_option_file_says_nothing(optim_type, options, device, fused):
    given = dict(options)
    chosen = choose_kernels(optim_type, options, device)
    assert chosen.get("fused") is fused
    assert {key: value for key, value in chosen.items() if key in given} == given == options


@pytest.mark.parametrize(
    ("optim_type", "options"),
    [
        ("Adam", {"betas": (0.9, 0.99), "weight_decay": 0.01}),
        ("Adam", {"amsgrad": True}),
        ("AdamW", {"weight_decay": 0.1}),
        ("SGD", {"momentum": 0.9, "weight_decay": 0.01, "nesterov": True}),
    ],
)
def test_chosen_kernels_follow_the_formula(optim_type, options):
    """The same steps in float64 by the plain loop over parameters."""
    torch.manual_seed(0)
    start = [torch.randn(size) for size in ((3, 5), (1,), (70, 33))]
    ours = [nn.Parameter(value.clone()) for value in start]
    plain = [nn.Parameter(value.double()) for value in start]
    optimizer = getattr(torch.optim, optim_type)(ours, lr=1e-2, **choose_kernels(optim_type, options, "cpu"))
    reference = getattr(torch.optim, optim_type)(plain, lr=1e-2, foreach=False, **options)
    for _ in range(20):
        for parameter, other in zip(ours, plain, strict=True):
            parameter.grad = torch.randn(parameter.shape)
            other.grad = parameter.grad.double()
        optimizer.step()
        reference.step()
    for parameter, other, before in zip(ours, plain, start, strict=True):
        assert (other.detach() - before).abs().max() > 0.01
        torch.testing.assert_close(parameter.double(), other, atol=2e-6, rtol=1e-6)


def test_groups_are_the_rest_and_lora(tmp_path):
    network = build(tmp_path).net_g
    rest, lora = split_lora(network, lr=1e-3, lora_lr_factor=0.5)
    trainable = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert {id(p) for p in lora["params"]} == {id(p) for name, p in trainable.items() if "lora_" in name}
    assert {id(p) for p in rest["params"] + lora["params"]} == set(map(id, trainable.values()))
    assert (rest["lr"], lora["lr"]) == (1e-3, 5e-4)
    assert len(split_lora(nn.Linear(2, 2), lr=1e-3, lora_lr_factor=0.5)) == 1


def test_model_steps_with_the_chosen_kernels_as_with_the_plain_ones(tmp_path):
    fused, plain = build(tmp_path), build(tmp_path, optim_g={"type": "Adam", "lr": 1e-3, "fused": False})
    assert [model.optimizer_g.param_groups[0]["fused"] for model in (fused, plain)] == [True, False]
    for model in (fused, plain):
        torch.manual_seed(1)  # dropout of LoRA
        step(step(model, 1), 2)
    expected = weights(plain)
    for name, value in weights(fused).items():
        torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=1e-5, msg=name)


def test_a_state_saved_by_plain_kernels_goes_on_with_those_that_are_chosen_now(tmp_path):
    plain = {"type": "Adam", "lr": 1e-3, "fused": False}
    step(build(tmp_path, optim_g=plain)).save(0, 1)
    state = torch.load(tmp_path / "training_states/1.state", weights_only=True)
    results = []
    for optim_g in (plain, {"type": "Adam", "lr": 1e-3}):
        model = build(tmp_path, optim_g=optim_g)
        model.resume_training(copy.deepcopy(state))
        assert model.optimizer_g.param_groups[0]["fused"] == ("fused" not in optim_g)
        torch.manual_seed(2)
        results.append(weights(step(model, 2)))
    for name, value in results[0].items():
        torch.testing.assert_close(value, results[1][name], atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize("grad_clip", [None, 1e-3])
def test_norm_is_that_of_all_gradients_and_only_clipping_changes_them(tmp_path, grad_clip):
    model = build(tmp_path, grad_clip=grad_clip)
    trained = [p for p in model.net_g.parameters() if p.requires_grad]
    generator = torch.Generator().manual_seed(0)
    for parameter in trained:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    trained[3].grad = None  # a parameter that had no part in the loss
    before = {place: p.grad.clone() for place, p in enumerate(trained) if p.grad is not None}
    expected = torch.cat([value.double().flatten() for value in before.values()]).norm()
    norm = model._clip_gradients()
    torch.testing.assert_close(norm.double(), expected, atol=0, rtol=1e-5)
    factor = 1.0 if grad_clip is None else grad_clip / expected
    for place, value in before.items():
        torch.testing.assert_close(trained[place].grad, (value.double() * factor).float(), atol=0, rtol=1e-4)
        assert grad_clip or torch.equal(trained[place].grad, value)


def test_overflow_under_loss_scaling_skips_the_step(tmp_path):
    model = step(build(tmp_path, amp="fp16"))
    scale, before = model.scaler.get_scale(), weights(model)
    weight = dict(model.net_g.named_parameters())["base.conv_first.weight"]
    hook = weight.register_hook(lambda gradient: gradient * float("inf"))
    step(model, 2)
    assert model.scaler.get_scale() == scale / 2
    for name, value in weights(model).items():
        assert torch.equal(value, before[name]), name
    hook.remove()
    step(model, 3)
    assert not torch.equal(weight, before["base.conv_first.weight"])


def test_losses_are_fetched_only_for_the_log(tmp_path, monkeypatch):
    model = build(tmp_path)
    reduced, real = [], model.reduce_loss_dict
    monkeypatch.setattr(model, "reduce_loss_dict", lambda losses: reduced.append(losses) or real(losses))
    step(step(model, 1), 2)
    assert not reduced
    log = model.get_current_log()
    expected = nn.functional.l1_loss(model.output, model.gt).item()
    assert list(log) == ["l_pix"] and log["l_pix"] == pytest.approx(expected, rel=1e-5) and len(reduced) == 1
    assert model.get_current_log() == log
