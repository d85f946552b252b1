"""Published weights of a base network, in its own format."""

from pathlib import Path

from torch import nn

from segsr_arch.errors import CheckpointError, ConfigError, WeightsError
from segsr_arch.weights.layouts import describe_layout, differences, in_layout_of
from segsr_arch.weights.reading import read_state_dict

# What authors put their weights under.
_ENTRIES = ("params_ema", "params", "state_dict", "model")


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
        path: Torch or safetensors file with the state dict, perhaps under ``params_ema``, ``params``, ``state_dict``
            or ``model``, with or without the prefixes of ``DataParallel`` and ``torch.compile``, under the network's
            names or, of RCAN and EDSR, under those of their authors.

    Raises:
        CheckpointError: If the file cannot be read safely or does not fit.
    """
    try:
        state = read_state_dict(Path(path), entries=_ENTRIES)
    except WeightsError as error:
        raise CheckpointError(f"network_g: pretrain_base: {error}") from error
    if "_extra_state" in state:
        raise CheckpointError(
            f"network_g: pretrain_base: {path} is a checkpoint of a whole guided network. Give it as path: "
            f"pretrain_network_g; pretrain_base takes weights of the {type(base).__name__} alone."
        )
    try:
        state = in_layout_of(base, state, path=path)
    except WeightsError as error:
        raise CheckpointError(f"network_g: pretrain_base: {error}") from error
    try:
        base.load_state_dict(state, strict=True)
    except RuntimeError as error:
        details = differences(base.state_dict(), state) or str(error)
        raise CheckpointError(
            f"network_g: pretrain_base: {path} does not fit the {type(base).__name__} of this option file: {details}."
            f"{describe_layout(state)} Correct network_g: base, or give the file that belongs to it."
        ) from error
    return base
