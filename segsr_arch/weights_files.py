"""Files of weights: read safely, and compared with what they are to fill."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from segsr_arch.errors import WeightsError


def read_state_dict(path: Path, *, entries: Sequence[str] = ("state_dict",)) -> dict[str, Tensor]:
    """Read a state dict without running code from the file.

    Args:
        path: A ``.safetensors`` file, or a torch file that holds tensors.
        entries: Under which of these names the tensors may stand, instead of at the top; the first one counts that is
            there and not empty.

    Returns:
        Names to tensors on the CPU, without the prefix ``module.`` or ``_orig_mod.`` that wrappers for several GPUs
        and for compilation add to all of them.

    Raises:
        WeightsError: If the file is truncated, holds code, is a TorchScript archive, or is not a state dict.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, zipfile, pickle and safetensors each raise their own kinds
        raise WeightsError(_reason_unreadable(path, error)) from error
    if isinstance(content, Mapping):
        content = next((content[key] for key in entries if _is_filled(content.get(key))), content)
    if not _is_filled(content) or not all(isinstance(k, str) and torch.is_tensor(v) for k, v in content.items()):
        raise WeightsError(f"{path}: holds no state dict (a mapping of names to tensors). Give a weights file.")
    for prefix in ("module.", "_orig_mod.", "module."):
        if all(name.startswith(prefix) for name in content):
            content = {name.removeprefix(prefix): value for name, value in content.items()}
    return dict(content)


def _is_filled(content: object) -> bool:
    return isinstance(content, Mapping) and len(content) > 0


def differences(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """Tell how a state dict differs from the one that is wanted, in a few words.

    Args:
        own: The wanted one.
        state: What the file holds.

    Returns:
        How many names are missing, unknown or of another shape, with examples; empty if none is.
    """
    missing, unexpected = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = [
        f"{name} {tuple(state[name].shape)} in the file, {tuple(own[name].shape)} in the model"
        for name in sorted(own.keys() & state.keys())
        if own[name].shape != state[name].shape
    ]
    return "; ".join(
        f"{len(names)} {what} ({', '.join(names[:2])}{', ...' if len(names) > 2 else ''})"
        for names, what in ((missing, "missing"), (unexpected, "unknown"), (shapes, "of another shape"))
        if names
    )


def _reason_unreadable(path: Path, error: Exception) -> str:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                return (
                    f"{path}: is a TorchScript archive, which can hold code. If you trust its source, convert it once: "
                    f"python -c \"import torch; torch.save(torch.jit.load('{path}', map_location='cpu').state_dict(), "
                    f"'{path.with_suffix('.pth')}')\" and give the new file."
                )
        return (
            f"{path}: was refused, because it holds more than tensors and could run code ({type(error).__name__}). "
            f"Give a state dict, best as .safetensors."
        )
    size = path.stat().st_size
    return (
        f"{path}: cannot be read as weights; it is truncated or not a weights file ({size} bytes, "
        f"{type(error).__name__}). Fetch it again and compare its size with the source."
    )
