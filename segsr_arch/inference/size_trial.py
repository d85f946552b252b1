"""Which sizes of LR images a network takes, found by running an outline of it on outlines of images."""

import contextlib
from collections.abc import Iterable

import torch
from torch import nn

from segsr_arch.capabilities import SizeRule, capabilities_of, size_rule_of
from segsr_arch.guiding.unit_probe import outline
from segsr_arch.running.logs import nothing_shown

_PRIMES = (211, 223)  # sides that no grid divides
_LARGEST_MULTIPLE = 64


class SizeTrial:
    """Tries a network on images of any size, without memory or arithmetic.

    Args:
        network: Maps (1, C, H, W) to an image; it is not changed, and may itself be without memory for its weights.
        channels: C.
    """

    def __init__(self, network: nn.Module, *, channels: int = 3) -> None:
        self._network = network
        self._outline: nn.Module | None = None
        self._channels = channels
        self._known: dict[tuple[int, int], bool] = {}

    def takes(self, height: int, width: int) -> bool:
        """Whether a pass on an image of this size works; if none does, sizes may not be the reason."""
        if (height, width) not in self._known:
            self._known[height, width] = self._try(height, width)
        return self._known[height, width]

    def _try(self, height: int, width: int) -> bool:
        with contextlib.suppress(Exception), nothing_shown():
            if self._outline is None:
                self._outline = outline(self._network).eval()
            with torch.device("meta"), torch.no_grad():  # for what the network makes as it runs
                self._outline(torch.zeros(1, self._channels, height, width))
            return True
        return False

    def find_rule(self, smallest: int) -> SizeRule | None:
        """Find the rule of the network; one that declares to take images of any size is not tried.

        Args:
            smallest: The least side, in LR pixels, that the network is to be given; smaller ones are not tried.

        Returns:
            The rule; ``None`` if there is none of this kind: it takes images of one size, or cannot be tried.
        """
        if capabilities_of(self._network).takes_any_size:
            return SizeRule()
        multiple = self._find_multiple()
        if multiple is None:
            return None
        least = SizeRule(multiple=multiple).padded(max(1, smallest))
        sides = range(least, _PRIMES[0] + multiple, multiple)
        first = next((side for side in sides if self.takes(side, side)), least)
        return SizeRule(multiple=multiple, minimum=1 if first == least else first)

    def _find_multiple(self) -> int | None:
        if self.takes(*_PRIMES):
            return 1
        multiples: Iterable[int] = (size_rule_of(self._network).multiple, *range(2, _LARGEST_MULTIPLE + 1))
        for multiple in dict.fromkeys(multiples):
            count = -(-_PRIMES[0] // multiple)
            if multiple > 1 and self.takes(count * multiple, (count + 1) * multiple):
                return multiple
        return None
