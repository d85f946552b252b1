"""Networks that sample: another seed gives another image, whatever stands between the network and its caller."""

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

from torch import nn


def samples_by_seed(network: nn.Module) -> bool:
    """Whether a network draws its output, as it says by a parameter ``seed`` of its forward."""
    return "seed" in inspect.signature(network.forward).parameters


@contextlib.contextmanager
def drawing_sample(network: nn.Module, number: int) -> Iterator[None]:
    """Let a network draw its sample of this number, however it is called in the block: in tiles, by a model class.

    Args:
        network: See :func:`samples_by_seed`. It may have got a seed of its caller, as one that depends on the name of
            an image; sample ``n`` has that seed plus ``n``. Without one, the seed is ``n``.
        number: Whole number from 0.
    """
    signature = inspect.signature(network.forward)

    def seeded(_module: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
        bound = signature.bind_partial(*args, **kwargs)
        bound.arguments["seed"] = (bound.arguments.get("seed") or 0) + number
        return bound.args, bound.kwargs

    hook = network.register_forward_pre_hook(seeded, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()
