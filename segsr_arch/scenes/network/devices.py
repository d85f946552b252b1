"""Devices by the names that command lines give them."""

import torch

from segsr_arch.errors import ConfigError


def find_device(name: str | None) -> torch.device:
    """Find a device.

    Args:
        name: ``cpu``, ``cuda`` or ``cuda:1``; ``None`` takes a GPU where torch sees one.

    Returns:
        The device, a GPU with its number.

    Raises:
        ConfigError: If there is none of that name.
    """
    there = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if name is None:
        name = "cuda" if there else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    if name == "cuda" and there:
        return torch.device("cuda", torch.cuda.current_device())
    if name in there:
        return torch.device(name)
    if name.partition(":")[0] != "cuda":
        raise ConfigError(f"--device: {name!r} is not known; use cpu, cuda or cuda:1.")
    raise ConfigError(f"--device {name}: torch sees {', '.join(there) or 'no GPU'} here; use --device cpu.")
