"""How much memory one pass of a network holds at once."""

import itertools
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Held(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that operations make, for as long as anything holds them."""

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._ids = {id(tensor.untyped_storage()) for tensor in known}
        self._now = 0
        self.most: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._note(tensor.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        if id(storage) in self._ids:
            return
        self._ids.add(id(storage))
        self._now += storage.nbytes()
        self.most = max(self.most, self._now)
        weakref.finalize(storage, self._forget, id(storage), storage.nbytes()).atexit = False

    def _forget(self, identity: int, size: int) -> None:
        self._ids.discard(identity)
        self._now -= size


def pass_memory(network: nn.Module, run: Callable[[Tensor], object], image: Tensor) -> int:
    """Measure what one pass holds at most, in bytes, beyond what is there before: weights and the image.

    Args:
        network: The network that runs.
        run: Lets it run on the image.
        image: (1, 3, H, W), where the network is.

    Returns:
        On a GPU what torch's allocator gave out; on the CPU the tensors between operations, without what an operation
        takes while it computes, so that it is the same on every machine.
    """
    if image.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(image.device)
        before = torch.cuda.memory_allocated(image.device)
        run(image)
        return int(torch.cuda.max_memory_allocated(image.device)) - before
    known = [image, *itertools.chain(network.parameters(), network.buffers())]
    with _Held(known) as held:
        run(image)
    return int(held.most)
