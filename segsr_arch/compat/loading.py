"""Checkpoints are read without running code, to the CPU, with errors that name the file."""

import pickle
from pathlib import Path

import torch

from segsr_arch.compat.patching import is_stock
from segsr_arch.errors import CheckpointError


class UnsafeCheckpointError(CheckpointError):
    """The file holds more than tensors and plain values; unpickling it could run code."""


def read_checkpoint(path):
    """``torch.load`` to the CPU with ``weights_only=True``.

    Args:
        path: File written by ``torch.save``.

    Returns:
        What was saved: tensors on the CPU in plain containers.

    Raises:
        UnsafeCheckpointError: If it holds anything that only code can rebuild.
        CheckpointError: If the file is not there, cut short, or no checkpoint at all.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no file {path}. Check the path in the option file.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    # A damaged file raises almost anything: EOFError, KeyError, IndexError, OSError, RuntimeError, UnpicklingError.
    except Exception as error:
        if isinstance(error, pickle.UnpicklingError) and "nsupported" in str(error):
            raise UnsafeCheckpointError(
                f"{path} is refused because it could run code: it holds more than tensors and plain values "
                f"({_offender(error)}). If you trust its source, load it there and save its state_dict anew."
            ) from error
        raise CheckpointError(
            f"{path} cannot be read ({type(error).__name__}: {_first_line(error)}); it is probably cut short or no "
            "checkpoint. Copy or download it again, or use an older one."
        ) from error


def _first_line(error):
    return next(iter(str(error).splitlines()), "no further explanation")


def _offender(error):
    lines = [line.strip() for line in str(error).splitlines() if "nsupported" in line]
    return lines[0]


def read_weights(load_path, param_key):
    """Read the entry of a checkpoint that holds a network's weights.

    Args:
        load_path: Checkpoint file.
        param_key: Entry of the file to use. ``params`` stands in for one that is missing; None uses the whole file.

    Returns:
        The weights by name, without a ``module.`` prefix, and the name of the entry that was used.

    Raises:
        CheckpointError: If the file cannot be read or lacks the entry.
    """
    weights = read_checkpoint(load_path)
    if not isinstance(weights, dict):
        raise CheckpointError(f"{load_path} holds a {type(weights).__name__}, not a dictionary of weights.")
    if param_key is not None:
        if param_key not in weights and "params" in weights:
            param_key = "params"
        if param_key not in weights:
            raise CheckpointError(
                f"{load_path} has neither {param_key!r} nor 'params', only: {', '.join(map(str, list(weights)[:8]))}. "
                "Set path: param_key_g to one of these, or to ~ if the file is a bare state_dict."
            )
        weights = weights[param_key]
    if not isinstance(weights, dict) or not all(torch.is_tensor(value) for value in weights.values()):
        raise CheckpointError(
            f"{load_path}: {'the file' if param_key is None else f'its entry {param_key}'} holds no weights (names and "
            "tensors). Set path: param_key_g to the entry that does."
        )
    for name in list(weights):  # in place: a state_dict carries versions of its modules, too
        weights[name.removeprefix("module.")] = weights.pop(name)
    return weights, param_key


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
    try:
        net.load_state_dict(weights, strict=strict, assign=assign)
    except CheckpointError as error:  # the network itself has said what is wrong, and what to do
        raise CheckpointError(f"{load_path}: {error}") from error
    except RuntimeError as error:
        lines = str(error).splitlines()
        details = "\n".join(lines[:6]) + (f"\n\t({len(lines) - 6} more)" if len(lines) > 6 else "")
        raise CheckpointError(
            f"{load_path} belongs to another network than the one in the option file; compare network_g "
            f"(upscale, sizes, depths) with the option file it was trained with.\n{details}"
        ) from error


def load_network(self, net, load_path, strict=True, param_key="params"):
    """Load a network's weights; takes the place of ``BaseModel.load_network``.

    Args:
        self: The model.
        net: Network, wrapped in (Distributed)DataParallel or not; its parameters are changed in place.
        load_path: Checkpoint file.
        strict: Whether the names must match exactly.
        param_key: Entry of the file to use. ``params`` stands in for one that is missing; None uses the whole file.

    Raises:
        CheckpointError: If the file cannot be read, lacks the entry, or belongs to another network.
    """
    from basicsr.utils import get_root_logger

    logger = get_root_logger()
    net = self.get_bare_model(net)
    weights, entry = read_weights(load_path, param_key)
    if entry != param_key:
        logger.info(f"{load_path} has no {param_key}: using {entry}.")
    logger.info(f"Loading {type(net).__name__} from {load_path}, entry {entry}.")
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
