"""Networks of spandrel."""

import importlib

from torch import nn

PREFIX = "spandrel/"


def find_network(name: str) -> type[nn.Module]:
    """Placeholder."""
    return getattr(importlib.import_module(f"spandrel.architectures.{name}"), name)
