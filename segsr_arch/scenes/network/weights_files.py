"""Files of weights alone: networks that spandrel recognises, and which option file others need."""

import contextlib
import importlib.util
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch

from segsr_arch.config import read_options
from segsr_arch.errors import ConfigError, SegsrError
from segsr_arch.running.logs import nothing_shown
from segsr_arch.weights.reading import read_state_dict
from segsr_arch.zoo import spandrel_networks

_MOST_FILES = 200
_GUIDED = "_extra_state"  # what a guided network says of itself in its checkpoints


def option_file_beside(path: Path) -> Path | None:
    """The option file that ``segsr export`` wrote with a checkpoint."""
    beside = path.with_suffix(".yml")
    return beside if _names(beside, path) else None


def load_weights_file(path: Path, device: torch.device) -> Any:
    """Load a network from a file of its weights, by what spandrel recognises.

    Args:
        path: A file of torch or safetensors.
        device: Where the network is to be.

    Returns:
        An ``ImageModelDescriptor`` of spandrel.

    Raises:
        ConfigError: If it is not recognised: which option file names it, or that one is needed.
        WeightsFileError: If the file cannot be read.
    """
    state, _ = read_state_dict(path, entries=("params_ema", "params", "state_dict"))
    if _GUIDED in state:
        raise _needs_options(path, "is a checkpoint of a guided network")
    if importlib.util.find_spec("spandrel") is None:
        raise _needs_options(path, "spandrel, which recognises networks by their weights, is not installed")
    with nothing_shown():  # torch warns of what they import
        import spandrel

        if importlib.util.find_spec("spandrel_extra_arches") is not None:
            import spandrel_extra_arches

            spandrel_extra_arches.install(ignore_duplicates=True)
    try:
        descriptor = spandrel.ModelLoader(device=device).load_from_state_dict(state)
    except spandrel.UnsupportedModelError as error:
        raise _needs_options(path, "no network that spandrel knows has such weights") from error
    except Exception as error:  # it builds a network of what the names of weights suggest
        raise _needs_options(path, f"spandrel cannot make a network of it ({type(error).__name__}: {error})") from error
    with contextlib.suppress(SegsrError):
        name = type(descriptor.model).__name__
        spandrel_networks.find_network(name)
        spandrel_networks.say_licence(name)
    return descriptor


def _needs_options(path: Path, reason: str) -> ConfigError:
    near = list(_option_files(path))
    if near:
        remedy = f"give -opt {near[0]}, which names this file."
    else:
        remedy = (
            "give -opt with the option file of a test of this network and, if it names another checkpoint, --force_yml "
            f"path:pretrain_network_g={path}; none that names this file was found near it or in options/."
        )
    return ConfigError(
        f"--model {path}: weights alone do not say what network they are of: {reason}. Instead, {remedy}"
    )


def _option_files(weights: Path) -> Iterator[Path]:
    """Option files of tests that name a file of weights."""
    folders = (weights.parent, weights.parent.parent, Path("options"), Path())
    files = chain.from_iterable(sorted(folder.glob("*.yml")) for folder in folders)
    yield from (file for file in islice(files, _MOST_FILES) if _names(file, weights))


def _names(options: Path, weights: Path) -> bool:
    """Whether it is the option file of a test with these weights."""
    with contextlib.suppress(SegsrError, OSError, AttributeError):
        content: Mapping[str, Any] = read_options(options)
        named = (content.get("path") or {}).get("pretrain_network_g")
        return "train" not in content and isinstance(named, str) and Path(named).resolve() == weights.resolve()
    return False
