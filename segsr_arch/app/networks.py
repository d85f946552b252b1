"""Networks that the page offers: those that were named when it was started, and some that need no file of the user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.named_models.folders import find_models
from segsr_arch.scenes.network.guidance import network_with_maps
from segsr_arch.scenes.network.models import ResolvedModel, resolve_model
from segsr_arch.scenes.network.sampling_model import sampling_within

ALWAYS = ("bicubic:4", "bicubic:2")
"""What is offered whatever the user names, as ``--model`` takes it, after the networks that come with the package."""


@dataclass(frozen=True, kw_only=True)
class OfferedNetwork:
    """A network that visitors can choose.

    Attributes:
        name: What they choose it by; no two have the same.
        resolved: The network, as ``segsr upscale`` runs it.
    """

    name: str
    resolved: ResolvedModel

    @property
    def scale(self) -> int:
        """Whole factor by which it enlarges."""
        return self.resolved.model.scale

    @property
    def samples(self) -> bool:
        """Whether it draws its output, so that it takes seed, steps and several samples."""
        return sampling_within(self.resolved.model) is not None

    @property
    def steps(self) -> int:
        """Steps of its sampler unless it is told otherwise; 0 of one that does not sample."""
        sampling = sampling_within(self.resolved.model)
        return 0 if sampling is None else sampling.network.sampler.steps

    @property
    def reads_captions(self) -> bool:
        """Whether words change what it gives."""
        sampling = sampling_within(self.resolved.model)
        return sampling is not None and sampling.reads_captions

    @property
    def guided(self) -> GuidedNetwork | None:
        """The guided network behind it, if there is one and it has maps."""
        return network_with_maps(self.resolved.model)

    @property
    def description(self) -> str:
        """What visitors are told of it."""
        guided = self.guided
        parts = [f"enlarges {self.scale} times"]
        if guided is not None:
            parts.append(f"guided by {guided.guide.feature_extraction.identity}, shows {len(guided.unit_paths)} maps")
        if self.samples:
            parts.append(f"draws its output, in {self.steps} steps unless told otherwise")
            parts.append("reads a caption" if self.reads_captions else "reads no words")
        return f"{self.name}: {', '.join(parts)}."


def load_offered(option_files: Sequence[str | Path], models: Sequence[str], **how: Any) -> Mapping[str, OfferedNetwork]:
    """Load what is offered, so that what cannot be had is known before the first visitor comes.

    Args:
        option_files: Option files of tests.
        models: What ``--model`` of ``segsr upscale`` takes.
        how: Further arguments of :func:`~segsr_arch.scenes.network.models.resolve_model`, for those that were named.

    Returns:
        The networks by name, those that were named first, then those that come with the package.

    Raises:
        SegsrError: What ``resolve_model`` raises.
    """
    loaded = [(str(path), resolve_model(opt=path, **how)) for path in dict.fromkeys(map(str, option_files))]
    loaded += [(name, resolve_model(model=name, **how)) for name in dict.fromkeys(models)]
    shipped = [model.name for model in reversed(find_models()[0]) if model.shipped]  # x4 before x2
    loaded += [(name, resolve_model(model=name)) for name in (*shipped, *ALWAYS) if name not in models]
    names = [resolved.model.name for _, resolved in loaded]
    offered = {}
    for (source, resolved), name in zip(loaded, names, strict=True):
        unique = name if names.count(name) == 1 else f"{name} ({source})"
        offered[unique] = OfferedNetwork(name=unique, resolved=resolved)
    return offered
