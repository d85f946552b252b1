"""What a file is that was given as weights: what holds none, or could run code, is refused by its name."""

import json
import pickletools
import re
import zipfile
from pathlib import Path
from typing import BinaryIO

from segsr_arch.errors import UnsafeWeightsError, WeightsFileError

AGAIN = "Copy or download it again, or use an older one."
TORCHSCRIPT_REMEDY = (
    "If you trust its source, convert it once: python -c \"import torch; torch.save(torch.jit.load('{path}', "
    "map_location='cpu').state_dict(), '{target}')\" and give the new file."
)
_HEAD = 4096
_TORCH_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa85019")  # the number that torch's files began with before archives
_PICKLE_STARTS = (b"\x80", b"c", b"(", b"}", b"]")
_LFS = re.compile(rb"version https://git-lfs\.github\.com/spec/v\d.*?^size (\d+)$", re.S | re.M)
_FORMATS = {
    b"\x89HDF": "an HDF5 file, as Keras writes them",
    b"\x93NUMPY": "a numpy array",
    b"\x1f\x8b": "packed by gzip; unpack it first",
    b"BZh": "packed by bzip2; unpack it first",
    b"\xfd7zXZ": "packed by xz; unpack it first",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"Rar!": "a RAR archive; unpack it first",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"%PDF": "a PDF document",
    b"GGUF": "a GGUF file, as llama.cpp writes them",
}


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as a safetensors file does: the length of a JSON header, and the header."""
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") <= 10**8


def is_archive(path: Path) -> bool:
    """Whether a file is a zip archive, as torch writes them since 2020, whole or not."""
    with path.open("rb") as file:
        head = file.read(64)
    return head.startswith(b"PK\3\4") or (_TORCH_MAGIC not in head and zipfile.is_zipfile(path))


def refuse_foreign(path: Path) -> None:
    """Refuse what is no file of weights, or could run code.

    Nothing in it is run. What looks like weights passes, and so does what cannot be told.

    Args:
        path: Something that is there.

    Raises:
        UnsafeWeightsError: If it is a TorchScript archive, or a pickle that torch has not written and that calls
            something.
        WeightsFileError: If it is a folder, empty, text, or a file of another format.
        OSError: If it cannot be read.
    """
    if path.is_dir():
        inside = [each.name for each in sorted(path.iterdir()) if each.is_file()][:4]
        found = f" (there are {', '.join(inside)})" if inside else ""
        raise WeightsFileError(f"{path} is a folder. Give the file of weights in it{found}.")
    if not path.is_file():
        raise WeightsFileError(f"{path} is neither a file nor a folder. Give a file of weights.")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip(b"\0") and path.stat().st_size <= _HEAD:
        what = "it holds zeros alone" if head else "it is empty"
        raise WeightsFileError(f"{path} cannot be read: {what}, and no checkpoint. {AGAIN}")
    pointer = _LFS.match(head)
    if pointer:
        raise WeightsFileError(
            f"{path} holds no weights but a pointer of Git LFS to a file of {int(pointer[1])} bytes. Run git lfs pull "
            f"in its repository, or fetch the file itself."
        )
    for start, what in _FORMATS.items():
        if head.startswith(start):
            raise WeightsFileError(f"{path} cannot be read as weights: it is {what}.")
    if is_archive(path):
        _refuse_foreign_archive(path)
    elif head.startswith(_PICKLE_STARTS) and _TORCH_MAGIC not in head[:64]:
        _refuse_pickle(path)
    _refuse_text(path, head)


def _refuse_foreign_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError):
        return
    if any(name.endswith("/constants.pkl") for name in names):
        raise UnsafeWeightsError(
            f"{path} is refused because it could run code: it is a TorchScript archive. "
            + TORCHSCRIPT_REMEDY.format(path=path, target=path.with_suffix(".pth"))
        )
    if names and not any(name.endswith("data.pkl") for name in names):
        raise WeightsFileError(
            f"{path} cannot be read as weights: it is a zip archive that torch has not written, with "
            f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}. Unpack it, and give the file of weights."
        )


def _refuse_pickle(path: Path) -> None:
    with path.open("rb") as file:
        try:
            called = _names_in_pickle(file)
        except Exception:  # pickletools raises whatever a file that is no pickle leads it to
            return
    if called:
        raise UnsafeWeightsError(
            f"{path} is refused because it could run code: it is a plain pickle, which torch has not written, and "
            f"reading it would call {', '.join(called[:3])}. If you trust its source, load it there and save its "
            f"state_dict anew."
        )
    raise WeightsFileError(
        f"{path} cannot be read as weights: it is a plain pickle and no checkpoint of torch. Where it was made, write "
        f"its tensors with torch.save."
    )


def _names_in_pickle(file: BinaryIO) -> list[str]:
    """Names of what a pickle imports, in the order in which they stand in it."""
    texts: list[str] = []
    names: list[str] = []
    for operation, argument, _ in pickletools.genops(file):
        if operation.name in ("GLOBAL", "INST"):
            names.append(str(argument).replace(" ", "."))
        elif operation.name == "STACK_GLOBAL":
            names.append(".".join(texts[-2:]))
        elif isinstance(argument, str):
            texts.append(argument)
    return list(dict.fromkeys(names))


def _refuse_text(path: Path, head: bytes) -> None:
    text = head.decode("utf-8-sig", errors="replace").strip()
    cut = text.removesuffix("\N{REPLACEMENT CHARACTER}")  # a letter that the end of the head may cut in two
    if not all(letter.isspace() or (letter.isprintable() and letter != "\N{REPLACEMENT CHARACTER}") for letter in cut):
        return
    if re.match(r"<(!doctype|html|\?xml|head|body)", text, re.I):
        what = "a web page that was saved in their place"
        remedy = "Fetch the file itself: the link to download, not that to its page."
    elif text.startswith(("{", "[")):
        what, remedy = "JSON", AGAIN
        if '"weight_map"' in text:
            remedy = "It is the index of weights in several files; give one file with all of them."
    else:
        what, remedy = f"text that begins with {text[:40]!r}", AGAIN
    raise WeightsFileError(f"{path} cannot be read as weights: it is {what}, and no checkpoint. {remedy}")


def describe_safetensors(path: Path, error: Exception) -> str:
    """Say what is wrong with a safetensors file that cannot be read: that it is cut short, if it is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length)
    try:
        tensors = [entry for name, entry in json.loads(header).items() if name != "__metadata__"]
        wanted = 8 + length + max((entry["data_offsets"][1] for entry in tensors), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        wanted = 8 + length
    if size < wanted:
        return f"{path} cannot be read: it is cut short ({size} of {wanted} bytes or more are there). {AGAIN}"
    first = next(iter(str(error).splitlines()), type(error).__name__)
    return f"{path} cannot be read: it is damaged or no safetensors file ({first}). {AGAIN}"
