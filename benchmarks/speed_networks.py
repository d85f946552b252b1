"""The networks of the speed benchmark, and what is timed of them."""

import contextlib
import copy
from collections.abc import Callable

import torch
from spandrel.architectures.HAT import HAT as PeerHAT
from torch import Tensor, nn

from segsr_arch.archs.hat.network import HATNetwork
from segsr_arch.archs.inference import to_inference_form
from segsr_arch.archs.segsr_arch import SeGSR

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


def make_inference(network: nn.Module, lq: Tensor, *, precision: str | None = None) -> Callable[[], None]:
    """Make a forward pass without gradients; with a precision, of the network's form for inference, in place."""
    if precision is not None:
        to_inference_form(network, precision=precision)
    network.eval()

    def run() -> None:
        with torch.no_grad():
            network(lq)

    return run


def make_training_step(network: nn.Module, image: int, *, precision: str) -> Callable[[], None]:
    """Make a step of training with one image: forward, L1, backward, Adam; ``bf16`` under autocast."""
    network.train()
    lq, gt = torch.rand(1, 3, image, image), torch.rand(1, 3, 4 * image, 4 * image)
    optimizer = torch.optim.Adam([parameter for parameter in network.parameters() if parameter.requires_grad], lr=1e-4)

    def run() -> None:
        half = torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
        optimizer.zero_grad(set_to_none=True)
        with half:
            loss = nn.functional.l1_loss(network(lq), gt)
        loss.backward()
        optimizer.step()

    return run
