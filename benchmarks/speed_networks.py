"""The networks of the speed benchmark, and what is timed of them."""

import contextlib
import copy
from collections.abc import Callable

import torch
from spandrel.architectures.HAT import HAT as PeerHAT
from torch import Tensor, nn

from segsr_arch.archs.hat.network import HATNetwork
from segsr_arch.archs.segsr_arch import SeGSR
from segsr_arch.inference.form import to_inference_form

FORMS = ("eager", "compiled", "recorded", "compiled-recorded")
_RUNS_BEFORE_RECORDING = 3  # in which libraries choose their kernels and torch makes the optimizer's averages
_TINY_VLM = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
}
_SIZES = {
    "full": {"embed_dim": 180, "depths": [6] * 6, "num_heads": [6] * 6},
    "tiny": {"embed_dim": 12, "depths": [1], "num_heads": [2], "squeeze_factor": 6},
}
_SEMANTICS = {
    "full": {"vlm": "ViT-B-16-quickgelu", "pretrained": None, "lora_rank": 32},
    "tiny": {"vlm": _TINY_VLM, "pretrained": None, "lora_rank": 2, "num_heads": 4, "metanet_reduction": 4},
}


def build(name: str, size: str) -> nn.Module:
    """Build ``peer`` (spandrel's HAT), ``hat`` or ``segsr``, x4, with random weights."""
    options = {"upscale": 4, "window_size": 16, "mlp_ratio": 2, **copy.deepcopy(_SIZES[size])}
    if name == "peer":
        return PeerHAT(**options)
    if name == "hat":
        return HATNetwork(**options)
    return SeGSR(**options, semantics=copy.deepcopy(_SEMANTICS[size]))


def make_inference(
    network: nn.Module, lq: Tensor, *, precision: str | None = None, form: str = "eager"
) -> Callable[[], None]:
    """Make a forward pass without gradients.

    Args:
        network: Where ``lq`` is.
        lq: (B, 3, H, W), the input of every run.
        precision: If given, the network is converted, in place, to its form for inference in this precision.
        form: One of :data:`FORMS`; compiled as one graph: an error of torch at the first run says where it breaks.
    """
    if precision is not None:
        to_inference_form(network, precision=precision)
    network.eval()
    forward = torch.compile(network, fullgraph=True) if "compiled" in form else network

    def run() -> None:
        with torch.no_grad():
            forward(lq)

    return record(run) if "recorded" in form else run


def make_training_step(
    network: nn.Module,
    image: int,
    *,
    precision: str,
    batch: int = 1,
    device: str = "cpu",
    form: str = "eager",
) -> Callable[[], None]:
    """Make a step of training with the same images every time: forward, L1, backward, Adam.

    Args:
        network: An x4 network, on ``device``.
        image: Side of an LR image.
        precision: ``fp32``, or ``bf16`` for autocast.
        batch: Number of images.
        device: ``cpu`` or ``cuda``.
        form: One of :data:`FORMS`; compiled in as many graphs as it takes.
    """
    network.train()
    lq = torch.rand(batch, 3, image, image, device=device)
    gt = torch.rand(batch, 3, 4 * image, 4 * image, device=device)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=1e-4, capturable="recorded" in form)
    forward = torch.compile(network) if "compiled" in form else network

    def run() -> None:
        half = torch.autocast(device, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
        optimizer.zero_grad(set_to_none=True)
        with half:
            loss = nn.functional.l1_loss(forward(lq), gt)
        loss.backward()
        optimizer.step()

    return record(run) if "recorded" in form else run


def record(work: Callable[[], None]) -> Callable[[], None]:
    """Record the kernels that a function starts on a GPU (a CUDA graph).

    Args:
        work: Does the same with the same tensors at every call.

    Returns:
        What starts all of these kernels at once, without Python and torch between them.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_RUNS_BEFORE_RECORDING):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()

    def replay(_tensors: Callable[[], None] = work) -> None:  # the graph does not keep them
        graph.replay()

    return replay
