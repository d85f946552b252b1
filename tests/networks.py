"""Tiny networks of every kind that this package, BasicSR and spandrel have, to be built by name."""

import importlib.util

import pytest
import torch
from basicsr.archs import build_network

import segsr_arch  # noqa: F401
from segsr_arch.zoo import spandrel_networks
from segsr_arch.zoo.named_networks import build_base
from tests.support import (
    TINY_HAT,
    TINY_HAUNET,
    TINY_MSSD,
    TINY_PIXEL_DIFFUSION,
    TINY_SEMANTICS,
    TINY_SPT,
    TINY_VLDM,
)

SCALE = 2
_RGB = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8}
_SWIN = {"embed_dim": 12, "depths": [1, 1], "num_heads": [2, 2], "window_size": 8, "upsampler": "pixelshuffle"}
_TTST = {"embed_dim": 12, "depths": [2, 1], "num_heads": [2, 2]}
NETWORKS = {
    "Bicubic": {"upscale": SCALE},
    "ECBSR": {"num_in_ch": 3, "num_out_ch": 3, "num_block": 1, "num_channel": 8, "with_idt": False, "act_type": "relu",
              "scale": SCALE},
    "EDSR": {**_RGB, "num_block": 2, "upscale": SCALE},
    "HAT": {**TINY_HAT, "upscale": SCALE},
    "HAUNet": {**TINY_HAUNET, "upscale": SCALE},
    "InferenceForm": {"precision": "fp32", "network": {"type": "EDSR", **_RGB, "num_block": 2, "upscale": SCALE}},
    "MFGHMOE": {**TINY_HAT, "upscale": SCALE},
    "MSRResNet": {**_RGB, "num_block": 2, "upscale": SCALE},
    "MSSD": {**TINY_MSSD, "scale": SCALE},
    "PixelDiffusion": {**TINY_PIXEL_DIFFUSION, "scale": SCALE},
    "RCAN": {**_RGB, "num_group": 2, "num_block": 1, "squeeze_factor": 2, "upscale": SCALE},
    "RRDBNet": {**_RGB, "num_block": 2, "num_grow_ch": 4, "scale": SCALE},
    "SPT": {**TINY_SPT, "upscale": SCALE},
    "SRVGGNetCompact": {**_RGB, "num_conv": 2, "upscale": SCALE},
    "SeGSR": {**TINY_HAT, "upscale": SCALE, "semantics": TINY_SEMANTICS},
    "SemanticSR": {"base": {"type": "EDSR", **_RGB, "num_block": 2, "upscale": SCALE}, "semantics": TINY_SEMANTICS},
    "SwinIR": {**_SWIN, "mlp_ratio": 2, "upscale": SCALE},
    "TTST": {**_TTST, "upscale": SCALE},
    "VLDM": {**TINY_VLDM, "scale": SCALE},
    "spandrel/DAT": {"embed_dim": 32, "depth": [1, 1], "num_heads": [2, 2], "split_size": [8, 8], "upscale": SCALE},
    "spandrel/HAT": {**_SWIN, "squeeze_factor": 6, "upscale": SCALE},
    "spandrel/RCAN": {"n_resgroups": 2, "n_resblocks": 1, "n_feats": 8, "reduction": 2, "scale": SCALE},
    "spandrel/SRFormer": {**_SWIN, "upscale": SCALE},
    "spandrel/SwinIR": {**_SWIN, "upscale": SCALE},
}  # fmt: skip

# Share of values that may be others in half precision: an LR pixel for which two experts count alike may get the other.
CHOOSING = {"MFGHMOE": 0.1}


def make(name, **changes):
    """Build one, the same at every call, in evaluation mode; the test is skipped where its package is missing."""
    package = "spandrel_extra_arches" if name == "spandrel/SRFormer" else "spandrel"
    if name.startswith(spandrel_networks.PREFIX) and importlib.util.find_spec(package) is None:
        pytest.skip(f"{name} needs {package}: pip install 'segsr-arch[zoo]'")
    torch.manual_seed(0)
    build = build_base if name.startswith(spandrel_networks.PREFIX) else build_network
    return build({"type": name, **NETWORKS[name], **changes}).eval()
