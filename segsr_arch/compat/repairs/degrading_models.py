"""``RealESRNetModel`` and ``RealESRGANModel`` train where their networks are.

Symptom: "Found no NVIDIA driver" without a GPU, tensors on two devices with ``num_gpu: 0``.
Cause: what degrades the images, and the pool of degraded pairs, are moved to the current GPU by ``.cuda()``, whatever
``num_gpu`` says. And ``filter2D`` takes the pixels of an image for adjacent, which they are not after other steps on
the CPU.
"""

from collections.abc import Callable
from typing import Any

from segsr_arch.compat.patching import is_stock, substitute
from segsr_arch.errors import ConfigError


def repair() -> bool:
    """Leave parts that are told to go to a GPU where they are, and move them and the pool to the model's device."""
    from basicsr.models import realesrgan_model, realesrnet_model
    from basicsr.utils.img_process_util import filter2D

    pairs = ((realesrnet_model, "RealESRNetModel"), (realesrgan_model, "RealESRGANModel"))
    classes = [getattr(module, name) for module, name in pairs]
    if not all(is_stock(cls.__init__, "cuda") and is_stock(cls._dequeue_and_enqueue, "cuda") for cls in classes):
        return False
    for module, name in pairs:
        cls = getattr(module, name)
        for part in ("DiffJPEG", "USMSharp"):
            setattr(module, part, _staying(getattr(module, part)))
        cls.__init__ = _moving_parts(cls.__init__)
        cls._dequeue_and_enqueue = _with_pool(cls._dequeue_and_enqueue)
    substitute(filter2D, lambda img, kernel: filter2D(img.contiguous(), kernel))
    return True


def _staying(part: type) -> type:
    """A module class whose ``cuda`` leaves it where it is."""
    return type(part.__name__, (part,), {"cuda": lambda self: self, "__module__": part.__module__})


def _moving_parts(stock: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, opt: dict[str, Any]) -> None:
        stock(self, opt)
        self.jpeger, self.usm_sharpener = self.jpeger.to(self.device), self.usm_sharpener.to(self.device)

    return __init__


def _with_pool(stock: Callable[..., None]) -> Callable[..., None]:
    def _dequeue_and_enqueue(self: Any) -> None:
        if not hasattr(self, "queue_lr"):
            batch = len(self.lq)
            if self.queue_size % batch:
                raise ConfigError(
                    f"queue_size: {self.queue_size} is no multiple of the batch of {batch} images that it is filled "
                    f"with; take {-(-self.queue_size // batch) * batch}."
                )
            self.queue_lr = self.lq.new_zeros(self.queue_size, *self.lq.shape[1:])
            self.queue_gt = self.gt.new_zeros(self.queue_size, *self.gt.shape[1:])
            self.queue_ptr = 0
        stock(self)

    return _dequeue_and_enqueue
