"""Libraries that read weights for BasicSR and for metrics do it as this package does: no code in a file is run.

Symptom: a file of the right name in a cache runs its code. So does every TorchScript archive.
Cause: ``torch.hub.load_state_dict_from_url``, through which torchvision, torch-fidelity and others read their weights,
and torch-fidelity itself call ``torch.load(weights_only=False)``.
"""

import functools
import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from segsr_arch.compat.patching import substitute
from segsr_arch.errors import UnsafeWeightsError
from segsr_arch.weights.digests import file_digest, is_as_named
from segsr_arch.weights.reading import explain, read_content
from segsr_arch.weights.recognition import TORCHSCRIPT_REMEDY

logger = logging.getLogger(__name__)

# Whoever reads weights that a user did not write: BasicSR, what it and the metrics use, and torch's hub, whose
# functions ask for code by default (weights_only=False).
READERS = frozenset(
    (
        "DISTS_pytorch",
        "basicsr",
        "clip",
        "facexlib",
        "lpips",
        "open_clip",
        "peft",
        "pyiqa",
        "spandrel",
        "spandrel_extra_arches",
        "timm",
        "torch_fidelity",
        "torchmetrics",
        "torchvision",
        "transformers",
    )
)
_HUB = "torch.hub"
_MARK = "_reads_for_libraries"


def repair() -> bool:
    """Let libraries read weights without running code, whole, with errors that name the file.

    Only calls from modules of :data:`READERS` and from ``torch.hub`` are changed, whatever they ask for and whatever
    ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD`` says. A user's own code calls torch as it is: files that it made itself may
    hold what it likes.
    """
    if hasattr(torch.load, _MARK):
        return False
    substitute(torch.load, _guarded_load(torch.load))
    substitute(torch.jit.load, _guarded_script_load(torch.jit.load))
    return True


def _is_library(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return name == _HUB or name.partition(".")[0] in READERS


def _guarded_load(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def load(
        f: Any,
        map_location: Any = None,
        pickle_module: Any = None,
        *,
        weights_only: bool | None = None,
        mmap: bool | None = None,
        **pickle_load_args: Any,
    ) -> Any:
        caller = sys._getframe(1)
        if not _is_library(caller):
            return stock(f, map_location, pickle_module, weights_only=weights_only, mmap=mmap, **pickle_load_args)
        if isinstance(f, (str, os.PathLike)):
            content = read_content(Path(f), map_location=map_location)
            if caller.f_globals["__name__"] == _HUB and not is_as_named(Path(f)):
                logger.warning(
                    "%s is not the file that was published under this name: its SHA-256 begins otherwise than the name "
                    "says. Delete it if you have not made it yourself; it is then fetched again.",
                    f,
                )
            return content
        try:
            return stock(f, map_location, weights_only=True)
        except MemoryError:
            raise
        except Exception as error:  # a damaged file raises almost anything
            raise explain(_name_of(f), error) from error

    setattr(load, _MARK, True)
    return load


def _guarded_script_load(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def load(f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False) -> Any:
        if _is_library(sys._getframe(1)) and _digest(f) not in _published():
            raise UnsafeWeightsError(
                f"{_name_of(f)} is refused because it could run code: it is read as a TorchScript archive. "
                f"{TORCHSCRIPT_REMEDY.format(path=_name_of(f), target=Path(_name_of(f)).with_suffix('.pth'))}"
            )
        return stock(f, map_location, _extra_files, _restore_shapes)

    return load


def _name_of(f: Any) -> Any:
    return Path(f) if isinstance(f, (str, os.PathLike)) else getattr(f, "name", "a file in memory")


def _digest(f: Any) -> str | None:
    """SHA-256 of a file, given by its path or opened at its beginning; None of anything else."""
    if isinstance(f, (str, os.PathLike)):
        return file_digest(f)
    return _digest(f.name) if isinstance(getattr(f, "name", None), str) and f.tell() == 0 else None


@functools.cache
def _published() -> frozenset[str]:
    """Digests of the archives in which OpenAI published CLIP, as open_clip gives their addresses."""
    import open_clip

    models = (model for model, tag in open_clip.list_pretrained() if tag == "openai")
    addresses = (open_clip.get_pretrained_url(model, "openai") for model in models)
    return frozenset(re.findall(r"/([0-9a-f]{64})/", " ".join(addresses)))
