"""Network weights are read without running code, to the CPU, with errors that name the file.

Symptom: whatever a damaged or foreign file raises, without the file's name.
Cause: ``BaseModel.load_network`` leaves ``weights_only`` to torch's default, and lets everything through.
"""

from typing import Any

from torch import nn

from segsr_arch.compat.patching import replace_stock
from segsr_arch.weights.layouts import in_layout_of
from segsr_arch.weights.network_weights import put_weights, read_weights


def repair() -> bool:
    """Read weights as this package does."""
    from basicsr.models.base_model import BaseModel

    return replace_stock(BaseModel, "load_network", load_network, uses=("deepcopy", "load"))


def load_network(
    self: Any, net: nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
) -> None:
    """Load a network's weights; takes the place of ``BaseModel.load_network``.

    Args:
        self: The model.
        net: Network, wrapped in (Distributed)DataParallel or not; its parameters are changed in place.
        load_path: Checkpoint file.
        strict: Whether the names must match exactly.
        param_key: As for :func:`read_weights`.

    Raises:
        CheckpointError: If the file cannot be read, lacks the entry, or belongs to another network.
    """
    from basicsr.utils import get_root_logger

    logger = get_root_logger()
    net = self.get_bare_model(net)
    weights, entry = read_weights(load_path, param_key)
    if entry != param_key:
        logger.info(f"{load_path} has no {param_key}: using {entry or 'the weights at its top'}.")
    logger.info(f"Loading {type(net).__name__} from {load_path}, entry {entry}.")
    fitting = in_layout_of(net, weights, path=load_path)
    self._print_different_keys_loading(net, fitting, strict)
    put_weights(net, fitting, load_path, strict=strict)
