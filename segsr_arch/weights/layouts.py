"""Weights of the same network under the names that others give them, and how two state dicts differ.

The names of this project are BasicSR's for networks and open_clip's for CLIP.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from segsr_arch.errors import WeightsFileError

State = Mapping[str, Tensor]
_Renamings = tuple[tuple[str, str], ...]


class _Layout(NamedTuple):
    """How somebody names the weights of a network.

    Attributes:
        what: Whose names they are, and of what.
        reads: What takes such a file.
        marks: Names of which all are there, as regular expressions.
    """

    what: str
    reads: str
    marks: tuple[str, ...]


_RCAN, _EDSR, _CLIP = "type: RCAN of the same sizes", "type: EDSR of the same sizes", "semantics: pretrained"
_LAYOUTS = (
    _Layout(
        "RCAN as its authors publish it",
        f"{_RCAN}, or spandrel/RCAN",
        (r"head\.0\.weight", r"body\.0\.body\.0\.body\.3\.conv_du\.0\.weight", r"tail\.1\.weight"),
    ),
    _Layout(
        "EDSR as its authors publish it", _EDSR, (r"head\.0\.weight", r"body\.0\.body\.2\.weight", r"tail\.1\.weight")
    ),
    _Layout("BasicSR's RCAN", _RCAN, (r"conv_first\.weight", r"body\.0\.residual_group\.0\.rcab\.0\.weight")),
    _Layout("BasicSR's EDSR", _EDSR, (r"conv_first\.weight", r"body\.0\.conv1\.weight", r"conv_after_body\.weight")),
    _Layout("CLIP as transformers saves it", _CLIP, (r"vision_model\.embeddings\.patch_embedding\.weight",)),
    _Layout("CLIP as open_clip saves it", _CLIP, (r"visual\.conv1\.weight", r"visual\.transformer\.resblocks\.0\..*")),
)

_AUTHORS_ENDS = (
    (r"head\.0\.", "conv_first."),
    (r"tail\.0\.", "upsample."),
    (r"tail\.1\.", "conv_last."),
)
_AUTHORS_RCAN = (
    *_AUTHORS_ENDS,
    (r"body\.(\d+)\.body\.(\d+)\.body\.3\.conv_du\.0\.", r"body.\1.residual_group.\2.rcab.3.attention.1."),
    (r"body\.(\d+)\.body\.(\d+)\.body\.3\.conv_du\.2\.", r"body.\1.residual_group.\2.rcab.3.attention.3."),
    (r"body\.(\d+)\.body\.(\d+)\.body\.([02])\.", r"body.\1.residual_group.\2.rcab.\3."),
    (r"body\.(\d+)\.body\.\d+\.(?=weight$|bias$)", r"body.\1.conv."),
    (r"body\.\d+\.(?=weight$|bias$)", "conv_after_body."),
)
_AUTHORS_EDSR = (
    *_AUTHORS_ENDS,
    (r"body\.(\d+)\.body\.0\.", r"body.\1.conv1."),
    (r"body\.(\d+)\.body\.2\.", r"body.\1.conv2."),
    (r"body\.\d+\.(?=weight$|bias$)", "conv_after_body."),
)
_BLOCK = r"encoder\.layers\.(\d+)\."
_TOWER = (
    (_BLOCK + r"layer_norm([12])\.", r"transformer.resblocks.\1.ln_\2."),
    (_BLOCK + r"self_attn\.out_proj\.", r"transformer.resblocks.\1.attn.out_proj."),
    (_BLOCK + r"self_attn\.([qkv])_proj\.(\w+)", r"transformer.resblocks.\1.attn.in_proj_\3.\2"),
    (_BLOCK + r"mlp\.fc1\.", r"transformer.resblocks.\1.mlp.c_fc."),
    (_BLOCK + r"mlp\.fc2\.", r"transformer.resblocks.\1.mlp.c_proj."),
)
_VISION = (
    *_TOWER,
    (r"embeddings\.class_embedding", "class_embedding"),
    (r"embeddings\.patch_embedding\.", "conv1."),
    (r"embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"pre_layrnorm\.", "ln_pre."),  # so it is spelt there
    (r"post_layernorm\.", "ln_post."),
)
_TEXT = (
    *_TOWER,
    (r"embeddings\.token_embedding\.", "token_embedding."),
    (r"embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"final_layer_norm\.", "ln_final."),
)


def _renamed(name: str, renamings: _Renamings) -> str:
    for pattern, replacement in renamings:
        if re.match(pattern, name):
            return re.sub(rf"^{pattern}", replacement, name)
    return name


def to_open_clip(state: State) -> dict[str, Tensor]:
    """Name the weights of a CLIP that transformers has saved as open_clip names them; any others are left as they are.

    Queries, keys and values become one matrix, and what multiplies from the right there from the left here.

    Args:
        state: Weights of a whole model, or of its vision tower with the projection.

    Returns:
        The same model's weights.
    """
    if not any(name.startswith("vision_model.") for name in state):
        return dict(state)
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        tower, _, rest = name.partition(".")
        if rest == "embeddings.position_ids":  # counted, not learned; older versions saved them
            continue
        if tower == "vision_model":
            renamed[f"visual.{_renamed(rest, _VISION)}"] = value
        elif tower == "text_model":
            renamed[_renamed(rest, _TEXT)] = value
        elif name == "visual_projection.weight":
            renamed["visual.proj"] = value.T.contiguous()
        elif name == "text_projection.weight":
            renamed["text_projection"] = value.T.contiguous()
        else:
            renamed[name] = value
    return _stack_attention(renamed)


def _stack_attention(state: State) -> dict[str, Tensor]:
    stacked = {}
    for name, value in state.items():
        whole, _, part = name.rpartition(".")
        if re.search(r"\.attn\.in_proj_(weight|bias)$", whole):
            parts = [state[f"{whole}.{each}"] for each in "qkv" if f"{whole}.{each}" in state]
            if len(parts) < 3:  # left for whoever compares the names
                stacked[name] = value
            elif part == "q":
                stacked[whole] = torch.cat(parts)
        else:
            stacked[name] = value
    return stacked


def in_layout_of(network: nn.Module, state: State, *, path: Path | str) -> State:
    """Give the weights the names that a network has for them, if they are its own under their authors' names.

    Args:
        network: What is to get them.
        state: Weights by name.
        path: Where they were read, for messages.

    Returns:
        The weights under the network's names; as they are if they are not recognised.

    Raises:
        WeightsFileError: If the network subtracts another mean, or takes values in another range, than they were
            trained with.
    """
    own = network.state_dict()
    if own.keys() == state.keys():
        return state
    for renamings in (_AUTHORS_RCAN, _AUTHORS_EDSR):
        renamed = {
            _renamed(name, renamings): value
            for name, value in state.items()
            if not name.startswith(("sub_mean.", "add_mean."))
        }
        if own.keys() == renamed.keys() and all(own[name].shape == value.shape for name, value in renamed.items()):
            _check_mean(network, state, path)
            return renamed
    return state


def _check_mean(network: nn.Module, state: State, path: Path | str) -> None:
    """Compare the authors' first and last step, a convolution that shifts by the mean, with what BasicSR computes."""
    shift, mean = state.get("sub_mean.bias"), getattr(network, "mean", None)
    if shift is None or not torch.is_tensor(mean) or mean.is_meta:
        return
    expected = mean.flatten().float().cpu() * float(getattr(network, "img_range", 1.0))
    if shift.shape != expected.shape or not torch.allclose(-shift.float(), expected, rtol=1e-3, atol=1e-3):
        theirs, ours = ([round(value, 3) for value in each.tolist()] for each in (-shift.float(), expected))
        raise WeightsFileError(
            f"{path}: these weights were trained with a mean of {theirs}, and rgb_mean times img_range is {ours} here. "
            f"Set both to what they were trained with (the authors': rgb_mean [0.4488, 0.4371, 0.4040], img_range 255)."
        )


def describe_layout(state: State) -> str:
    """Say whose names the weights have, and what takes them, for a message; empty if they are not recognised."""
    for layout in _LAYOUTS:
        if all(any(re.fullmatch(mark, name) for name in state) for mark in layout.marks):
            return f" Its names are those of {layout.what}, which {layout.reads} takes."
    return ""


def differences(own: State, state: State) -> str:
    """Tell how a state dict differs from the one that is wanted, in a few words.

    Args:
        own: The wanted one.
        state: What the file holds.

    Returns:
        How many names are missing, unknown or of another shape, with examples; empty if none is.
    """
    missing, unexpected = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = [
        f"{name} {tuple(state[name].shape)} in the file, {tuple(own[name].shape)} in the model"
        for name in sorted(own.keys() & state.keys())
        if own[name].shape != state[name].shape
    ]
    return "; ".join(
        f"{len(names)} {what} ({', '.join(names[:2])}{', ...' if len(names) > 2 else ''})"
        for names, what in ((missing, "missing"), (unexpected, "unknown"), (shapes, "of another shape"))
        if names
    )
