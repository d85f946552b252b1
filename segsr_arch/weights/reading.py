"""Reading files of weights: no code from them is run, and what is read is what was written."""

import logging
import pickle
import pickletools
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segsr_arch.errors import UnsafeWeightsError, WeightsFileError, first_line
from segsr_arch.weights.archives import DamagedArchiveError, check_archive
from segsr_arch.weights.digests import check_blob
from segsr_arch.weights.entries import choose_entry, without_prefixes
from segsr_arch.weights.recognition import AGAIN, describe_safetensors, is_archive, is_safetensors, refuse_foreign

logger = logging.getLogger(__name__)


def read_content(path: Path, *, map_location: Any = "cpu") -> Any:
    """Read what ``torch.save`` or safetensors put into a file, whatever its name ends with.

    Archives of torch are compared with their checksums first. Files that torch wrote before it wrote archives, and
    those of safetensors, carry none: of them lengths are checked, and of those that a cache of Hugging Face holds the
    SHA-256 that it names them by.

    Args:
        path: The file.
        map_location: As for ``torch.load``.

    Returns:
        Tensors in plain containers.

    Raises:
        UnsafeWeightsError: If it holds anything that only code can rebuild.
        WeightsFileError: If it is not there, damaged, cut short, or no file of weights; it is said which.
    """
    if not path.exists():
        raise WeightsFileError(f"There is no file {path}. Check the path in the option file.")
    try:
        refuse_foreign(path)
        if is_safetensors(path):
            return _read_safetensors(path, map_location)
        if is_archive(path):
            _check_whole(path)
        with path.open("rb") as file:  # given the path, torch goes by how it ends
            return torch.load(file, map_location=map_location, weights_only=True)
    except (MemoryError, WeightsFileError):
        raise
    except OSError as error:
        raise WeightsFileError(f"{path} cannot be read ({error.strerror or error}).") from error
    # A damaged file raises almost anything: EOFError, KeyError, IndexError, RuntimeError, UnpicklingError.
    except Exception as error:
        raise explain(path, error) from error


def _read_safetensors(path: Path, map_location: Any) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    check_blob(path)
    try:
        content = load_file(path)
    except OSError:
        raise
    except Exception as error:  # safetensors has a kind of its own; what torch makes of a header is another
        raise WeightsFileError(describe_safetensors(path, error)) from error
    device = map_location if isinstance(map_location, (str, torch.device)) else "cpu"
    return {name: value.to(device) for name, value in content.items()}


def _check_whole(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        raise WeightsFileError(
            f"{path} cannot be read: it is cut short, for the end of the archive is missing ({path.stat().st_size} "
            f"bytes are there). {AGAIN}"
        )
    try:
        has_checksums = check_archive(path)
    except DamagedArchiveError as error:
        raise WeightsFileError(f"{path} cannot be read: it is damaged ({error}). {AGAIN}") from error
    if not has_checksums:
        logger.warning("%s was saved without checksums (set_crc32_options): damage to it would go unnoticed.", path)


def explain(path: Path | str, error: Exception) -> WeightsFileError:
    """Say what an error of ``torch.load(weights_only=True)`` means for the file that it read; returns an error."""
    if isinstance(error, pickle.UnpicklingError) and _asks_for_code(str(error)):
        line = next(line.strip() for line in str(error).splitlines() if "nsupported" in line)
        name = re.search(r"GLOBAL (\S+)", line)
        return UnsafeWeightsError(
            f"{path} is refused because it could run code: it holds more than tensors and plain values "
            f"({name[1] if name else line}). If you trust its source, load it there and save its state_dict anew."
        )
    if "legacy .tar format" in str(error):
        return UnsafeWeightsError(
            f"{path} is refused because it could run code: it is a tar archive, as torch wrote them until 2017. If you "
            f"trust its source, load it there with weights_only=False and save its state_dict anew."
        )
    return WeightsFileError(
        f"{path} cannot be read ({first_line(error, longest=200)}); it is probably cut short or no checkpoint. {AGAIN}"
    )


def _asks_for_code(message: str) -> bool:
    """Whether torch refused what a pickle may do, and not a byte that means nothing in a pickle."""
    operand = re.search(r"Unsupported operand (\d+)", message)
    return "nsupported" in message and (operand is None or chr(int(operand[1])) in vars(pickletools)["code2op"])


def read_state_dict(
    path: Path, *, entries: Sequence[str] = ("state_dict",), remedy: str = "Give a file with one of them."
) -> tuple[dict[str, Tensor], str | None]:
    """Read a state dict without running code from the file.

    Args:
        path: A file of torch or safetensors that holds tensors.
        entries: Under which of these names the tensors may stand, instead of at the top; the first one counts that is
            there and not empty. A file with one entry of tensors is taken by that, whatever its name.
        remedy: What to do where several entries may be meant, for messages.

    Returns:
        Names to tensors on the CPU, without the prefix ``module.`` or ``_orig_mod.`` that wrappers for several GPUs
        and for compilation add to all of them; and the name of their entry, ``None`` for the top.

    Raises:
        WeightsFileError: As :func:`read_content`, and if it is not clear where the tensors are, or there are none.
    """
    state, entry = choose_entry(read_content(path), wanted=entries, path=path, remedy=remedy)
    return without_prefixes(state), entry
