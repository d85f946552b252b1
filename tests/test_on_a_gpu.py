"""What runs on the CPU runs on a GPU: every network, its forms, tiles with signals, and exact resume.

A GPU adds in an order that changes from run to run, so figures are compared with room for that, and each such test also
compares them with what they would be without what it is about.
"""

import copy

import numpy as np
import pytest
import torch

from segsr_arch.capabilities import capabilities_of
from segsr_arch.inference.form import to_inference_form
from segsr_arch.inference.super_resolution import super_resolve
from segsr_arch.models import training_model
from segsr_arch.training.random_state import kept_random_state, random_state, restore_random_state
from tests.networks import NETWORKS, SCALE, make
from tests.training.runs import EDSR, SEGSR, cropping_options, cut_off_after, network, state_of, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")


@pytest.fixture(autouse=True)
def full_float32():
    """Convolutions in float32 proper, so that a tolerance can be small."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def images(height=16, width=24, count=2):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_computes_what_it_does_on_the_cpu(name):
    net, lq = make(name), images()
    with torch.no_grad():
        wanted = net(lq.clone())
        given = net.cuda()(lq.cuda())
    torch.testing.assert_close(given.cpu(), wanted, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("Bicubic", "InferenceForm")])
def test_a_network_has_the_gradients_that_it_has_on_the_cpu(name):
    gradients = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        net = make(name).to(device)  # in evaluation mode: what is dropped in training differs by device
        net(images().to(device)).square().mean().backward()
        gradients.append({key: p.grad.cpu() for key, p in net.named_parameters() if p.grad is not None})
    cpu, gpu = gradients
    assert cpu.keys() == gpu.keys() and cpu
    for key, gradient in cpu.items():
        assert (gpu[key] - gradient).norm() <= 1e-3 * gradient.norm() + 1e-6, key


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_form_for_inference_is_near_the_network(name, precision):
    net = make(name).cuda()
    if precision not in capabilities_of(net).precisions:
        pytest.skip(f"{name} cannot be run in {precision}")
    lq = images().cuda()
    with torch.no_grad():
        wanted, given = net(lq.clone()), to_inference_form(copy.deepcopy(net), precision=precision)(lq)
    room = 1e-3 if precision == "fp32" else 0.05
    torch.testing.assert_close(given, wanted, atol=room, rtol=room)


@pytest.mark.parametrize("name", ["SeGSR", "SemanticSR", "EDSR"])
def test_tiles_of_an_image_are_enlarged_as_on_the_cpu(name):
    net, lq = make(name), images(41, 53, 1)
    with torch.no_grad():
        wanted = super_resolve(net, lq, scale=SCALE)
        given = super_resolve(net.cuda(), lq.cuda(), scale=SCALE)
    assert given.is_cuda
    torch.testing.assert_close(given.cpu(), wanted, atol=5e-4, rtol=1e-3)


def test_generators_go_on_where_they_were():
    torch.rand(1, device="cuda")
    state = random_state()
    assert len(state["cuda"]) == torch.cuda.device_count()
    expected = torch.rand(5, device="cuda"), torch.rand(5)
    torch.rand(9, device="cuda")
    assert restore_random_state(state)
    assert torch.equal(torch.rand(5, device="cuda"), expected[0]) and torch.equal(torch.rand(5), expected[1])
    torch.cuda.manual_seed(3)
    expected = torch.rand(5, device="cuda")
    torch.cuda.manual_seed(3)
    with kept_random_state():
        torch.rand(7, device="cuda")
    assert torch.equal(torch.rand(5, device="cuda"), expected)


def distance(one, other):
    """Mean absolute difference of all values of two networks."""
    assert one.keys() == other.keys()
    sums = [np.abs(one[key] - other[key]).sum(dtype=float) for key in one]
    return sum(sums) / sum(value.size for value in one.values())


@pytest.mark.parametrize("amp", [None, "bf16"])
@pytest.mark.parametrize(("workers", "prefetch"), [(0, None), (2, "cpu"), (2, "cuda"), (0, "cuda")])
def test_a_resumed_training_has_the_images_and_the_dropout_of_one_that_was_not_stopped(
    tmp_path, monkeypatch, workers, prefetch, amp
):
    """It is nearer to the uninterrupted one, by far, than with other numbers for dropout, or with other crops."""
    opt = cropping_options(tmp_path, network_g=SEGSR, workers=workers, prefetch=prefetch, val_freq=4)
    opt["num_gpu"], opt["train"]["amp"] = 1, amp
    opt["datasets"]["train"] |= {"persistent_workers": workers > 0, "pin_memory": True}
    assert train(tmp_path, monkeypatch, opt) == 0
    whole = network(tmp_path, "latest")
    cut_off_after(tmp_path, 5)
    assert len(state_of(tmp_path, 5)["random"]["cuda"]) == torch.cuda.device_count()
    assert train(tmp_path, monkeypatch, opt, "--auto_resume") == 0
    resumed = distance(network(tmp_path, "latest"), whole)
    others = []
    for forgotten in ("dropout", "crops"):
        cut_off_after(tmp_path, 5)
        with monkeypatch.context() as patch:
            if forgotten == "dropout":
                patch.setattr(torch.cuda, "set_rng_state_all", lambda states: torch.cuda.manual_seed_all(99))
            else:
                opt = copy.deepcopy(opt) | {"manual_seed": 99}
            assert train(tmp_path, patch, opt, "--auto_resume") == 0
        others.append(distance(network(tmp_path, "latest"), whole))
    assert min(others) > 1e-6 and 5 * resumed < min(others), (resumed, others)


@pytest.mark.parametrize("num_gpu", [1, "auto"])
def test_a_training_runs_on_the_gpus_that_are_asked_for(tmp_path, monkeypatch, num_gpu):
    if num_gpu == "auto" and torch.cuda.device_count() > 1:
        pytest.skip("all of several GPUs share a batch; the first alone is looked at here")
    devices = set()
    step = training_model.TrainingModel.optimize_parameters

    def seen(self, current_iter):
        devices.update({self.lq.device, *(p.device for p in self.net_g.parameters())})
        return step(self, current_iter)

    monkeypatch.setattr(training_model.TrainingModel, "optimize_parameters", seen)
    opt = cropping_options(tmp_path, network_g=EDSR, iterations=2) | {"num_gpu": num_gpu}
    assert train(tmp_path, monkeypatch, opt) == 0
    assert devices == {torch.device("cuda", 0)}


def test_a_training_of_the_gpu_goes_on_on_the_cpu_and_says_what_differs(tmp_path, monkeypatch, caplog):
    opt = cropping_options(tmp_path, network_g=EDSR) | {"num_gpu": 1}
    assert train(tmp_path, monkeypatch, opt) == 0
    whole = network(tmp_path, "latest")
    cut_off_after(tmp_path, 5)
    assert train(tmp_path, monkeypatch, opt | {"num_gpu": 0}, "--auto_resume") == 0
    assert distance(network(tmp_path, "latest"), whole) < 1e-4
