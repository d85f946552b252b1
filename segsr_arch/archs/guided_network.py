"""Any network made of stacked units, guided by semantics: the one mechanism behind SeGSR.

The network keeps its code and its state-dict names. A forward hook on the last module of each unit replaces the
unit's output by the modulated one, so the next unit reads that (SeG-SR eq. 10).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from segsr_arch.archs.checkpoint_description import check_description, check_identity, decode_description
from segsr_arch.archs.unit_layouts import UnitLayout, find_layout, select_units
from segsr_arch.errors import CheckpointError, ConfigError
from segsr_arch.semantics import SemanticGuide, SemanticsConfig

# Fixed, because BasicSR compares the sizes of equally named entries of two checkpoints.
_EXTRA_STATE_BYTES = 1024


class _CurrentMaps:
    """What the hooks of one network read during one forward pass; empty at any other time."""

    def __init__(self) -> None:
        self.maps: Tensor | None = None


class _UnitHook:
    """Forward hook of one unit. A plain object, so that copies and pickles of a network carry hooks of their own."""

    def __init__(self, *, guide: SemanticGuide, unit: int, layout: UnitLayout, current: _CurrentMaps) -> None:
        self.guide = guide
        self.unit = unit
        self.layout = layout
        self.current = current

    def __call__(self, _module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        if self.current.maps is None:
            return output
        nchw = self.layout.format == "nchw"
        features = output.permute(0, 2, 3, 1) if nchw else output
        features = self.guide.modulate(self.unit, features, self.current.maps, stride=self.layout.stride)
        return features.permute(0, 3, 1, 2) if nchw else features


class GuidedNetwork(nn.Module):
    """A super-resolution network whose units are told where to look (SeG-SR, figure 1 b).

    Args:
        base: Network from LR (B, 3, H, W) to SR (B, 3, sH, sW), values in [0, 1], with stacked units.
        semantics: Options of the guide: a :class:`SemanticsConfig` or the mapping of a YAML.
        upscale: The network's scale s.
        units: Number of groups of units, or paths of the modules that end a unit; ``None``: every unit by itself.
        pretrain_base: Path of weights of the base alone, in its own published format.

    Raises:
        ConfigError: If an option is wrong or no unit layout is declared for the base.
        WeightsError: If weights of the vision-language model cannot be had.
        CheckpointError: If ``pretrain_base`` cannot be read or does not fit.
    """

    def __init__(
        self,
        *,
        base: nn.Module,
        semantics: SemanticsConfig | Mapping[str, Any] | None = None,
        upscale: int,
        units: int | Sequence[str] | None = None,
        pretrain_base: str | None = None,
    ) -> None:
        super().__init__()
        layout = find_layout(base)
        self.unit_paths = select_units(base, layout, units)
        refuse_units_that_are_recomputed(base, self.unit_paths)
        self.upscale = upscale
        self.base = base
        self.guide = SemanticGuide(
            config=SemanticsConfig.from_options(semantics),
            unit_channels=_unit_channels(base, self.unit_paths, layout),
            scale=upscale,
        )
        self._current = _CurrentMaps()
        for unit, path in enumerate(self.unit_paths):
            hook = _UnitHook(guide=self.guide, unit=unit, layout=layout, current=self._current)
            base.get_submodule(path).register_forward_hook(hook)
        if pretrain_base is not None:
            load_base_weights(base, pretrain_base)

    def forward(self, lq: Tensor) -> Tensor:
        """Super-resolve.

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1], any size of at least one pixel.

        Returns:
            SR images (B, 3, sH, sW), about [0, 1], not clipped.

        Raises:
            ConfigError: If the input has not three channels, or under ``DataParallel``.
        """
        if lq.shape[1] != 3:
            raise ConfigError(f"The semantic guide needs RGB: input (B, 3, H, W), got {tuple(lq.shape)}.")
        if getattr(self, "_is_replica", False):
            raise ConfigError(
                "DataParallel is not supported: start one process a GPU instead (torchrun --nproc_per_node N "
                "-m segsr_arch.cli.basicsr train -opt FILE --launcher pytorch), or set num_gpu: 1."
            )
        self._current.maps = self.guide(lq)
        try:
            return self.base(lq)
        finally:
            self._current.maps = None

    @torch.no_grad()
    def guidance_maps(self, lq: Tensor) -> Tensor:
        """Return the semantic guidance maps of an image, for looking at (SeG-SR eq. 8, figure 7).

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1].

        Returns:
            Maps (B, k, H, W), one a unit, cosine similarities in [-1, 1], float32.
        """
        was_training = self.training
        self.eval()
        try:
            return self.guide.resize(self.guide(lq), (lq.shape[-2], lq.shape[-1])).clamp(-1, 1)
        finally:
            self.train(was_training)

    def parameter_counts(self) -> dict[str, int]:
        """Count parameters: ``base``, ``vlm`` (frozen), ``lora``, ``guide`` (localization and modulation)."""
        feature_extraction = self.guide.feature_extraction
        extraction = list(feature_extraction.parameters())
        lora = sum(p.numel() for p in extraction if p.requires_grad)
        return {
            "base": sum(p.numel() for p in self.base.parameters()),
            "vlm": sum(p.numel() for p in extraction) - lora,
            "lora": lora,
            "guide": sum(p.numel() for p in self.guide.parameters()) - sum(p.numel() for p in extraction),
        }

    def get_extra_state(self) -> Tensor:
        """Describe the network in 1024 bytes (JSON, padded with spaces): scale, base, units, identity of the VLM."""
        description = {
            "format": 1,
            "upscale": self.upscale,
            "base": type(self.base).__name__,
            "units": len(self.unit_paths),
            "vlm": asdict(self.guide.feature_extraction.identity),
        }
        encoded = json.dumps(description).encode().ljust(_EXTRA_STATE_BYTES)
        if len(encoded) > _EXTRA_STATE_BYTES:
            raise CheckpointError("The names of the vision-language model and of its weights are too long to record.")
        return torch.frombuffer(bytearray(encoded), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Check that a checkpoint was trained beside the same frozen VLM.

        Raises:
            CheckpointError: If the VLM of the checkpoint has another digest; both are named.
        """
        check_identity(decode_description(state), self.guide.feature_extraction.identity)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a checkpoint of a guided network, after checking that it is one of this network.

        Args:
            state_dict: Entries of ``params`` or ``params_ema``.
            strict: As in torch; if false, another scale is allowed (fine-tuning x2 to x4), another VLM never is.
            assign: As in torch.

        Returns:
            Missing and unexpected names.

        Raises:
            CheckpointError: If it belongs to another scale, another base, another VLM, or is no guided network's.
        """
        own = {"upscale": self.upscale, "base": type(self.base).__name__, "units": len(self.unit_paths)}
        check_description(state_dict, own, strict=strict)
        return super().load_state_dict(state_dict, strict=strict, assign=assign)


def refuse_units_that_are_recomputed(base: nn.Module, paths: Sequence[str]) -> None:
    """Refuse units below a module with gradient checkpointing: the backward pass would run their hooks without maps.

    Raises:
        ConfigError: If there is such a unit; it is named.
    """
    for path in paths:
        parts = path.split(".")
        for length in range(1, len(parts)):
            above = ".".join(parts[:length])
            if getattr(base.get_submodule(above), "use_checkpoint", False):
                raise ConfigError(
                    f"units: {path} lies within {above}, which gradient checkpointing computes twice. Set "
                    f"use_checkpoint: false, or end the unit with {above}."
                )


def _unit_channels(base: nn.Module, paths: Sequence[str], layout: UnitLayout) -> list[int]:
    """Learn the channel count of each unit by one pass over an image of 8 x 8 pixels."""
    channels: dict[nn.Module, int] = {}
    axis = 1 if layout.format == "nchw" else -1

    def record(module: nn.Module, _inputs: tuple, output: Tensor) -> None:
        channels[module] = output.shape[axis]

    handles = [base.get_submodule(path).register_forward_hook(record) for path in paths]
    was_training = base.training
    first = next(base.parameters())
    try:
        with torch.no_grad():
            base.eval()(torch.zeros(1, 3, 8, 8, device=first.device, dtype=first.dtype))
    finally:
        base.train(was_training)
        for handle in handles:
            handle.remove()
    return [channels[base.get_submodule(path)] for path in paths]


def load_base_weights(base: nn.Module, path: str) -> nn.Module:
    """Load published weights of a base network strictly, in place, and return it.

    Args:
        base: The network.
        path: Torch file with the state dict, perhaps under ``params_ema`` or ``params``.

    Raises:
        CheckpointError: If the file cannot be read safely or does not fit.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, zipfile and pickle each raise their own kinds
        raise CheckpointError(
            f"network_g: pretrain_base: {path} cannot be read as weights ({type(error).__name__}: {error})."
        ) from error
    for key in ("params_ema", "params"):
        if key in content:
            content = content[key]
            break
    try:
        base.load_state_dict(content, strict=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"network_g: pretrain_base: {path} does not fit the {type(base).__name__} of this option file: {error}"
        ) from error
    return base
