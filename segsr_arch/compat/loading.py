"""Checkpoints are read without running code, whole, to the CPU, with errors that name the file."""

from pathlib import Path

from segsr_arch.compat.patching import is_stock
from segsr_arch.errors import CheckpointError
from segsr_arch.weights.entries import choose_entry, without_prefixes
from segsr_arch.weights.layouts import describe_layout, in_layout_of
from segsr_arch.weights.reading import read_content


def read_weights(load_path, param_key):
    """Read the entry of a checkpoint that holds a network's weights.

    Args:
        load_path: Checkpoint file.
        param_key: Entry of the file to use, or None if it has no entries. Where there is no such entry, ``params``
            stands in for it, weights without an entry, or the only entry that holds weights.

    Returns:
        The weights by name, without a prefix for several GPUs, and the name of the entry that was used.

    Raises:
        CheckpointError: If the file cannot be read or lacks the entry.
    """
    return choose_weights(read_content(Path(load_path)), param_key, load_path)


def choose_weights(content, param_key, load_path):
    """Find a network's weights in what a checkpoint holds, see :func:`read_weights`."""
    weights, entry = choose_entry(
        content,
        wanted=[] if param_key is None else list(dict.fromkeys((param_key, "params"))),
        path=load_path,
        remedy="Set path: param_key_g to the one that is meant.",
    )
    return without_prefixes(weights), entry


def put_weights(net, weights, load_path, *, strict, assign=False):
    """Give a network its weights, in place.

    Args:
        net: The bare network.
        weights: Tensors by name.
        load_path: File that they come from, for messages.
        strict: Whether the names must match exactly.
        assign: As in ``torch.nn.Module.load_state_dict``.

    Raises:
        CheckpointError: If they belong to another network.
    """
    if not weights and net.state_dict():
        raise CheckpointError(
            f"{load_path} holds no weights: its entry for them is empty. Give the file that has them."
        )
    try:
        net.load_state_dict(weights, strict=strict, assign=assign)
    except CheckpointError as error:  # the network itself has said what is wrong, and what to do
        raise CheckpointError(f"{load_path}: {error}") from error
    except RuntimeError as error:
        lines = str(error).splitlines()
        details = "\n".join(lines[:6]) + (f"\n\t({len(lines) - 6} more)" if len(lines) > 6 else "")
        raise CheckpointError(
            f"{load_path} belongs to another network than the one in the option file; compare network_g "
            f"(upscale, sizes, depths) with the option file it was trained with.{describe_layout(weights)}\n{details}"
        ) from error


def load_network(self, net, load_path, strict=True, param_key="params"):
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
    weights = in_layout_of(net, weights, path=load_path)
    self._print_different_keys_loading(net, weights, strict)
    put_weights(net, weights, load_path, strict=strict)


def repair_load_network():
    """Read network weights without running code, and say what is wrong with the file.

    Cause: ``BaseModel.load_network`` leaves ``weights_only`` to torch's default, and lets whatever a damaged or
    foreign file raises through, without the file's name.

    Returns:
        True if it was stock.
    """
    from basicsr.models.base_model import BaseModel

    if not is_stock(BaseModel.load_network, "deepcopy", "load"):
        return False
    BaseModel.load_network = load_network
    return True
