"""Every optimizer of torch is built by its name.

Symptom: ``NotImplementedError: optimizer AdamW is not supported yet.``
Cause: ``BaseModel.get_optimizer`` knows Adam only.
"""

import inspect
from collections.abc import Iterable
from typing import Any

import torch

from segsr_arch.compat.patching import replace_stock
from segsr_arch.errors import ConfigError
from segsr_arch.known_names import close_matches


def repair() -> bool:
    """Look the name up in ``torch.optim``."""
    from basicsr.models.base_model import BaseModel

    return replace_stock(BaseModel, "get_optimizer", get_optimizer, uses=("Adam", "NotImplementedError"))


def optimizer_names() -> list[str]:
    """Names of all optimizers in ``torch.optim``, sorted."""
    classes = inspect.getmembers(torch.optim, inspect.isclass)
    return [
        name for name, cls in classes if issubclass(cls, torch.optim.Optimizer) and cls is not torch.optim.Optimizer
    ]


def get_optimizer(self: Any, optim_type: str, params: Iterable[Any], lr: float, **kwargs: Any) -> torch.optim.Optimizer:
    """Build an optimizer by its name in ``torch.optim``; takes the place of ``BaseModel.get_optimizer``.

    Args:
        self: The model.
        optim_type: Name of a class, such as ``AdamW``.
        params: Parameters or parameter groups.
        lr: Learning rate.
        **kwargs: Further arguments of the class, from the option file.

    Returns:
        The optimizer.

    Raises:
        ConfigError: If there is no such class, it takes no argument of that name, or there is nothing to train.
    """
    names = optimizer_names()
    if optim_type not in names:
        raise ConfigError(f"There is no optimizer {optim_type!r} in torch.optim; {_nearest(optim_type, names)}")
    groups = list(params)
    if not any(group["params"] if isinstance(group, dict) else True for group in groups):
        raise ConfigError(
            f"There is nothing to train: the network has no parameter that is not frozen, so {optim_type} would have "
            "no work. Take another network_g, or unfreeze a part of it."
        )
    optimizer = getattr(torch.optim, optim_type)
    known = list(inspect.signature(optimizer).parameters)[2:]
    for key in kwargs:
        if key not in known:
            raise ConfigError(f"torch.optim.{optim_type} takes no {key!r}; {_nearest(key, known)}")
    built: torch.optim.Optimizer = optimizer(groups, lr=lr, **kwargs)
    return built


def _nearest(name: str, known: list[str]) -> str:
    near = close_matches(name, known, cutoff=0.5)
    return f"nearest: {', '.join(near)}" if near else f"known: {', '.join(known)}"
