"""Contrast of LR and HR images, so that features do not depend on how an image was degraded (MSSD, section 3.2).

Momentum contrast (He et al. 2020): the features of an LR image shall be like those of its HR image, and unlike those of
other images in a queue. The features of HR images come from a momentum encoder: a copy that follows the trained one.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, option

_Module = TypeVar("_Module", bound=nn.Module)
_NOBODY = -1  # image id of a place in the queue that is not filled yet


@dataclass(frozen=True, kw_only=True)
class ContrastOptions(OptionGroup):
    """Options of the contrastive loss (``network_g: contrast:``); the defaults are the paper's but for the queue."""

    section = "contrast"

    weight: float = option(0.1, help="weight of the loss", above=0)
    temperature: float = option(0.07, help="temperature of the similarities", above=0)
    momentum: float = option(0.999, help="weight of the old momentum encoder at each iteration", minimum=0, below=1)
    dimension: int = option(128, help="length of what is compared", minimum=1)
    queue: int = option(
        4096, help="length of the queue of other images, fewer than the data set has", unit="images", minimum=1
    )
    feature: str = option(
        "encoder",
        help="what is compared: the middle of the ControlNet at the last step, with noise alone for latents (encoder), "
        "or the stem before any latents enter (stem), which is cheaper",
        choices=("encoder", "stem"),
    )

    def check_queue(self, images: int) -> None:
        """Check that the queue does not hold images more than once.

        Args:
            images: How many images there are to train on.

        Raises:
            ConfigError: If it is longer than the data set, or as long.
        """
        if self.queue >= images:
            raise ConfigError(
                f"contrast: queue: {self.queue} is not below the {images} images of the data set, so that an image "
                f"would be contrasted with itself; set it to {max(images // 2, 1)} or less."
            )


class MomentumContrast(nn.Module):
    """Momentum encoder, queue and loss; all of it is in the state dict, and float32 whatever autocast there is.

    Args:
        encoder: What is trained, or what of it makes the features; copied, in float32.
        width: Channels of the features.
        options: Temperature, momentum, length of the queue.
    """

    queue: Tensor
    ids: Tensor
    place: Tensor

    def __init__(self, encoder: nn.Module, *, width: int, options: ContrastOptions) -> None:
        super().__init__()
        self.options = options
        self.query_head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, options.dimension))
        self.key_encoder = _frozen_copy(encoder)
        self.key_head = _frozen_copy(self.query_head)
        self.register_buffer("queue", torch.zeros(options.queue, options.dimension))
        self.register_buffer("ids", torch.full((options.queue,), _NOBODY))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "MomentumContrast":
        """Move with the network, but stay in float32: in bfloat16 a thousandth of a step is rounded away."""

        def move(values: Tensor) -> Tensor:
            moved = fn(values)
            return moved if values.is_meta or not values.is_floating_point() else values.to(moved.device)

        super()._apply(move, recurse)  # type: ignore[no-untyped-call]
        return self

    @torch.no_grad()
    def follow(self, encoder: nn.Module) -> None:
        """Move the momentum encoder and its head towards the trained ones, in float32 whatever these are."""
        self._approach(encoder, 1 - self.options.momentum)

    @torch.no_grad()
    def begin(self, encoder: nn.Module) -> None:
        """Forget all: the momentum encoder and its head become the trained ones, the queue is empty."""
        self._approach(encoder, 1.0)
        self.queue.zero_()
        self.ids.fill_(_NOBODY)
        self.place.zero_()

    def _approach(self, encoder: nn.Module, weight: float) -> None:
        for keys, queries in ((self.key_encoder, encoder), (self.key_head, self.query_head)):
            for mean, trained in zip(keys.parameters(), queries.parameters(), strict=True):
                mean.lerp_(trained.to(mean.dtype), weight)

    def forward(self, query: Tensor, key_of: Callable[[nn.Module], Tensor], image_ids: Tensor | None) -> Tensor:
        """Compute the loss of a batch against the queue (InfoNCE), and let its keys enter the queue.

        Images of the same id, in the batch or in the queue, are no negatives. Without ids all are.

        Args:
            query: Features of LR images (B, C, h, w) or (B, C).
            key_of: Computes those of HR images with the encoder that it is given, without gradients.
            image_ids: (B,) whole numbers from 0 on; ``None`` if they are not known.

        Returns:
            A number, not weighted.
        """
        with torch.no_grad(), torch.autocast(query.device.type, enabled=False):
            keys = self._embed(self.key_head, key_of(self.key_encoder))
        queries = self._embed(self.query_head, query)
        count = len(keys)
        ids = torch.full((count,), _NOBODY, device=keys.device) if image_ids is None else image_ids.to(keys.device)
        # The queue changes below, before the backward pass reads it.
        others, other_ids = torch.cat([keys, self.queue]), torch.cat([ids, self.ids])
        filled = torch.cat([torch.ones(count, dtype=torch.bool, device=keys.device), self._filled()])
        same = (ids[:, None] == other_ids[None, :]) & (ids[:, None] != _NOBODY)
        own = torch.eye(count, len(others), dtype=torch.bool, device=keys.device)
        with torch.autocast(query.device.type, enabled=False):
            similarity = queries @ others.T / self.options.temperature
            similarity = similarity.masked_fill((same | ~filled) & ~own, -torch.inf)
            loss = F.cross_entropy(similarity, torch.arange(count, device=keys.device))
        if self.training:
            self._enqueue(keys, ids)
        return loss

    def _embed(self, head: nn.Module, features: Tensor) -> Tensor:
        pooled = features.flatten(2).mean(-1) if features.ndim > 2 else features
        with torch.autocast(features.device.type, enabled=False):
            return F.normalize(head(pooled.float()), dim=-1)

    def _filled(self) -> Tensor:
        """Which places of the queue hold an image: unit vectors, all others are zero."""
        return self.queue.square().sum(1) > 0

    @torch.no_grad()
    def _enqueue(self, keys: Tensor, ids: Tensor) -> None:
        keys, ids = _from_all_ranks(keys), _from_all_ranks(ids)
        places = (self.place + torch.arange(len(keys), device=keys.device)) % self.options.queue
        kept = slice(max(len(keys) - self.options.queue, 0), None)  # of a batch longer than the queue, the last
        self.queue[places[kept]] = keys[kept]
        self.ids[places[kept]] = ids[kept]
        self.place.copy_((self.place + len(keys)) % self.options.queue)


def _frozen_copy(module: _Module) -> _Module:
    return copy.deepcopy(module).float().requires_grad_(False)


def _from_all_ranks(values: Tensor) -> Tensor:
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return values
    gathered = [torch.empty_like(values) for _ in range(distributed.get_world_size())]
    distributed.all_gather(gathered, values.contiguous())
    return torch.cat(gathered)
