"""What commands that write option files themselves put into them."""

from collections.abc import Mapping
from typing import Any

import yaml


def paired_images(name: str, folder: str, split: str, scale: int) -> dict[str, Any]:
    """Options of a data set that ``segsr prepare`` has made.

    Args:
        name: What it is called.
        folder: The prepared folder.
        split: ``train``, ``val`` or ``test``.
        scale: Upscaling factor.
    """
    return {
        "name": name,
        "type": "PairedImageDataset",
        "dataroot_gt": f"{folder}/{split}/HR_x{scale}.lmdb",
        "dataroot_lq": f"{folder}/{split}/LR_x{scale}.lmdb",
        "io_backend": {"type": "lmdb"},
    }


def psnr_and_ssim(scale: int) -> dict[str, Any]:
    """Metrics of a validation: PSNR and SSIM of Y, a border of the scale cut."""
    return {
        name: {"type": f"calculate_{name}", "crop_border": scale, "test_y_channel": True} for name in ("psnr", "ssim")
    }


def write_options(options: Mapping[str, Any], *, comment: str) -> str:
    """Write options as YAML with a comment in front.

    Args:
        options: The mapping.
        comment: Lines without the sign of a comment.

    Returns:
        The text of an option file.
    """
    lines = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return f"{lines}\n{yaml.safe_dump(dict(options), sort_keys=False, default_flow_style=None, width=120)}"
