"""Controls, without which a gain is no evidence for semantics: guides as large that see something else."""

import torch
from torch import Tensor, nn

from segsr_arch.semantics.processes import gathered_from_processes

# ``own``: the guide as it is. ``zero``: maps of zeros. ``shuffled``: those of another image. ``oracle``: the vision
# tower sees the HR image.
MAPS = ("own", "zero", "shuffled", "oracle")
_KEPT = 32  # images whose maps are kept
_SIDE = 8  # of a kept map, in patches


def _mirrored(length: int, source: int, like: Tensor) -> Tensor:
    """Places (length,) in a line of ``source`` cells that is continued by its mirror image, back and forth."""
    places = torch.arange(length, device=like.device) % (2 * source)
    return torch.minimum(places, 2 * source - 1 - places)


class OtherMaps(nn.Module):
    """Gives images the maps of others, so that maps are as good as any and true of nothing that is seen.

    In training an image gets the maps of the one before it in its batch, the first one those of the last. A batch of
    one has no other image, and in evaluation what is beside an image must not matter: there it gets the maps of one of
    the latest images of training, which are kept as buffers: the sum of the image's pixels in 8 bits chooses, so the
    choice is the same every time. A kept map has 8 x 8 patches, continued by its mirror image where an image has more.
    The processes of a distributed training keep the same maps, those of all of them.
    Before anything was kept the maps are zero.

    Args:
        num_maps: Number k of maps.
    """

    count: Tensor
    kept: Tensor

    def __init__(self, *, num_maps: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("kept", torch.zeros(_KEPT, num_maps, _SIDE, _SIDE))

    @torch.no_grad()
    def _keep(self, maps: Tensor) -> None:
        rows, columns = (_mirrored(_SIDE, side, maps) for side in maps.shape[-2:])
        latest = gathered_from_processes(maps.detach()[..., rows, :][..., columns])[-_KEPT:]
        slots = (self.count + torch.arange(len(latest), device=maps.device)) % _KEPT
        self.kept.index_copy_(0, slots, latest.to(self.kept.dtype))
        self.count.add_(len(latest))

    def _kept_for(self, maps: Tensor, lq: Tensor) -> Tensor:
        pixels = (lq.detach().float() * 255).round().to(torch.int64).sum(dim=(1, 2, 3))
        chosen = self.kept[pixels % self.count.clamp(1, _KEPT)]
        rows, columns = (_mirrored(side, _SIDE, maps) for side in maps.shape[-2:])
        # A product of zero keeps what makes the maps in the graph, where distributed training looks for it.
        return chosen[..., rows, :][..., columns].to(maps.dtype) + 0 * maps

    def forward(self, maps: Tensor, lq: Tensor) -> Tensor:
        """Exchange maps.

        Args:
            maps: (B, k, Hc, Wc) of these images.
            lq: The images (B, 3, H, W), RGB in [0, 1].

        Returns:
            Maps (B, k, Hc, Wc) of others.
        """
        others = maps.roll(1, dims=0) if self.training and len(maps) > 1 else self._kept_for(maps, lq)
        if self.training:
            self._keep(maps)
        return others
