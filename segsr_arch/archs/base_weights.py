"""Published weights of a base network, in its own format."""

from pathlib import Path

import torch
from torch import nn

from segsr_arch.errors import CheckpointError, ConfigError


def check_base_path(path: str | None) -> None:
    """Check that the file of ``pretrain_base`` is there, if one is given.

    Raises:
        ConfigError: If there is no such file.
    """
    if path is not None and not Path(path).is_file():
        raise ConfigError(f"network_g: pretrain_base: there is no file {path} (seen from {Path.cwd()}).")


def load_base_weights(base: nn.Module, path: str) -> nn.Module:
    """Load published weights of a base network strictly, in place, and return it.

    Args:
        base: The network.
        path: Torch file with the state dict, perhaps under ``params_ema`` or ``params``.

    Raises:
        CheckpointError: If the file cannot be read safely or does not fit.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, zipfile and pickle each raise their own kinds
        raise CheckpointError(
            f"network_g: pretrain_base: {path} cannot be read as weights ({type(error).__name__}: {error})."
        ) from error
    for key in ("params_ema", "params"):
        if key in content:
            content = content[key]
            break
    try:
        base.load_state_dict(content, strict=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"network_g: pretrain_base: {path} does not fit the {type(base).__name__} of this option file: {error}"
        ) from error
    return base
