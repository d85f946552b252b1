"""Published weights of a base network, in its own format."""

from pathlib import Path

from torch import nn

from segsr_arch.errors import CheckpointError, ConfigError, WeightsFileError
from segsr_arch.weights.layouts import in_layout_of
from segsr_arch.weights.network_weights import load_strictly
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
        state, _ = read_state_dict(Path(path), entries=_ENTRIES)
        if "_extra_state" in state:
            raise WeightsFileError(
                f"{path} is a checkpoint of a whole guided network. Give it as path: pretrain_network_g; pretrain_base "
                f"takes weights of the {type(base).__name__} alone."
            )
        return load_strictly(
            base,
            in_layout_of(base, state, path=path),
            misfit=f"{path} does not fit the {type(base).__name__} of this option file",
            remedy="Correct network_g: base, or give the file that belongs to it.",
        )
    except WeightsFileError as error:
        raise CheckpointError(f"network_g: pretrain_base: {error}") from error
