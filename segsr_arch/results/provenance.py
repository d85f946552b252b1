"""Where values come from: digests of data, split and checkpoint, versions, machine, seed and command."""

import datetime
import hashlib
import importlib.metadata
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from segsr_arch.results.record import ImageRow
from segsr_arch.weights.digests import file_digest

_PACKAGES = ("basicsr", "torch", "torchvision", "numpy", "opencv-python", "open_clip_torch", "peft", "torchmetrics")


# As ``FrozenIdentity`` names its source, and in words; a weights file may have "random" in its name.
_RANDOM = re.compile(r"\brandom(\(\d+\)| weights)", re.IGNORECASE)


def is_random_vlm(vlm: str | None) -> bool:
    """Whether ``provenance["vlm"]`` names a vision-language model with random weights."""
    return vlm is not None and _RANDOM.search(vlm) is not None


def split_digest(names: Iterable[str]) -> str:
    """SHA-256 (64 hex digits) over the sorted image names, a line each: which images were measured."""
    return hashlib.sha256("".join(f"{name}\n" for name in sorted(names)).encode()).hexdigest()


def data_digest(images: Iterable[ImageRow]) -> str | None:
    """SHA-256 (64 hex digits) over names and pixels of the ground truth; ``None`` if an image has none."""
    lines = sorted(f"{row.name} {row.gt_digest}\n" for row in images)
    if not lines or any(row.gt_digest is None for row in images):
        return None
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def pixel_digest(image: Any) -> str:
    """SHA-256 (64 hex digits) over shape, type and values of a numpy image; the file format does not matter."""
    header = f"{image.shape} {image.dtype}\n".encode()
    return hashlib.sha256(header + image.tobytes()).hexdigest()


def _versions() -> dict[str, str]:
    from segsr_arch import __version__

    versions = {"segsr": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _commit() -> str | None:
    """Commit of this code, ``-changed`` if its files differ from it; ``None`` outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=-changed"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None  # no git here, or a checkout of somebody else


def _machine() -> dict[str, Any]:
    machine = {"system": platform.platform(), "processor": processor_name(), "cores": os.cpu_count()}
    if torch.cuda.is_available():
        machine["accelerator"] = torch.cuda.get_device_name()
    return machine


def processor_name() -> str:
    """What the processor is called, as far as the system says."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def describe_run(
    *,
    images: Sequence[ImageRow],
    seed: int | None,
    checkpoint: str | os.PathLike[str] | None = None,
    vlm: str | None = None,
) -> dict[str, Any]:
    """Say where values come from.

    Args:
        images: What was measured.
        seed: ``manual_seed`` of the options, if there is one.
        checkpoint: Weights file of the network, if one was loaded.
        vlm: The vision-language model and its weights, for people; says so if they are random.

    Returns:
        A mapping that JSON can hold: ``command``, ``created`` (UTC), ``split_digest``, ``data_digest``, ``seed``,
        ``checkpoint`` (``path`` and ``sha256``), ``vlm``, ``versions``, ``commit`` (of a checkout), ``machine``.
    """
    found = None
    if checkpoint is not None:
        found = {"path": os.fspath(checkpoint), "sha256": file_digest(checkpoint)}
    return {
        "command": shlex.join([Path(sys.argv[0]).stem, *sys.argv[1:]]),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "split_digest": split_digest(row.name for row in images),
        "data_digest": data_digest(images),
        "seed": seed,
        "checkpoint": found,
        "vlm": vlm,
        "versions": _versions(),
        "commit": _commit(),
        "machine": _machine(),
    }
