"""Any network made of stacked units, guided by semantics: the one mechanism behind SemanticSR and SeGSR.

The network keeps its code and its state-dict names. A forward hook on the last module of each unit replaces the
unit's output by the modulated one, so the next unit reads that (SeG-SR eq. 10).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn

from segsr_arch.capabilities import Capabilities, capabilities_of
from segsr_arch.errors import ConfigError
from segsr_arch.freezing import FrozenIdentity
from segsr_arch.guiding.base_weights import load_base_weights
from segsr_arch.guiding.checkpoint_description import (
    TRAINING_FORM,
    check_description,
    decode_description,
    describe_network,
    encode_description,
)
from segsr_arch.guiding.unit_outputs import UnitOutput, features_of, with_features
from segsr_arch.guiding.unit_probe import probe_network
from segsr_arch.inputs import check_rgb
from segsr_arch.padding import crop, pad_to_multiple
from segsr_arch.semantics import SemanticGuide, SemanticsConfig, Signals
from segsr_arch.windows import Window


class _CurrentSignals:
    """What the hooks of one network read during one forward pass; empty at any other time."""

    def __init__(self) -> None:
        self.signals: Tensor | Signals | None = None


class _UnitHook:
    """Forward hook of one unit. A plain object, so that copies and pickles of a network carry hooks of their own."""

    def __init__(self, *, guide: SemanticGuide, unit: int, output: UnitOutput, current: _CurrentSignals) -> None:
        self.guide = guide
        self.unit = unit
        self.output = output
        self.current = current

    def __call__(self, _module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any], output: Any) -> Any:
        if self.current.signals is None:
            if _is_in_backward_pass():
                raise ConfigError(
                    "units: one lies within a part of the network that gradient checkpointing computes again in the "
                    "backward pass, when its semantic guide is gone. End it at the module that is computed again (a "
                    "list of module paths), or switch the network's checkpointing off."
                )
            return output
        features = self.output.to_nhwc(features_of(output), inputs, options)
        features = self.guide.modulate(self.unit, features, self.current.signals, stride=self.output.stride)
        return with_features(output, self.output.from_nhwc(features))


def _is_in_backward_pass() -> bool:
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1


class GuidedNetwork(nn.Module):
    """A super-resolution network whose units are told where to look (SeG-SR, figure 1 b).

    Called as ``network.base(lq)``, the base computes what it does without a guide.

    Args:
        base: Network from LR (B, 3, H, W) to SR (B, 3, sH, sW), values in [0, 1], with stacked units.
        semantics: Options of the guide: a :class:`SemanticsConfig` or the mapping of a YAML.
        units: Number of groups of units, or paths of the modules that end a unit; ``None``: every unit by itself.
        pretrain_base: Path of weights of the base alone, in its own published format.

    Raises:
        ConfigError: If an option is wrong, or no unit layout is declared for the base and ``units`` is no list.
        WeightsError: If weights of the vision-language model cannot be had.
        CheckpointError: If ``pretrain_base`` cannot be read or does not fit, or if the names of the vision-language
            model and its weights are too long for a checkpoint.

    Attributes:
        upscale: Scale s, as the base has it.
        unit_paths: Modules that end a unit each.
        unit_outputs: What each gives.
        form: ``training``, or what :func:`~segsr_arch.inference.form.to_inference_form` has made of it.
    """

    nested_options = {"semantics": SemanticsConfig}
    guide_class: type[SemanticGuide] = SemanticGuide  # a subclass of a network may have a guide of its own

    capabilities = Capabilities(takes_any_size=True)

    def __init__(
        self,
        *,
        base: nn.Module,
        semantics: SemanticsConfig | Mapping[str, Any] | None = None,
        units: int | Sequence[str] | None = None,
        pretrain_base: str | None = None,
    ) -> None:
        super().__init__()
        probe = probe_network(base, units)
        self.upscale = probe.scale
        self.unit_paths = list(probe.paths)
        self.unit_outputs = probe.outputs
        declared = capabilities_of(base)
        self.capabilities = replace(self.capabilities, precisions=declared.precisions, exportable=declared.exportable)
        self._size_rule = declared.size_rule(base)
        self.form = TRAINING_FORM
        self.base = base
        self.guide = self.guide_class(
            config=SemanticsConfig.from_options(semantics),
            unit_channels=[output.channels for output in probe.outputs],
            scale=probe.scale,
        )
        self._current = _CurrentSignals()
        for unit, (path, output) in enumerate(zip(self.unit_paths, probe.outputs, strict=True)):
            hook = _UnitHook(guide=self.guide, unit=unit, output=output, current=self._current)
            base.get_submodule(path).register_forward_hook(hook, with_kwargs=True)
        self.get_extra_state()  # what cannot be recorded is found now, and not with the first checkpoint
        if pretrain_base is not None:
            load_base_weights(base, pretrain_base)

    def signals(self, lq: Tensor, gt: Tensor | None = None) -> Signals:
        """Compute from whole images what guides the units, for :meth:`forward` on tiles of them.

        .. code-block:: python

            signals = network.signals(image)
            sr = network(image[(..., *window.slices)], signals=signals.at(window))

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1].
            gt: HR images (B, 3, sH, sW), which only a guide with ``semantics: maps: oracle`` sees, and needs.

        Raises:
            ConfigError: If the input has not three channels, or the guide misses an HR image.
        """
        check_rgb(lq, "The semantic guide")
        return Signals(values=self._guided_by(lq, gt), image=Window(height=lq.shape[-2], width=lq.shape[-1]))

    def _guided_by(self, lq: Tensor, gt: Tensor | None) -> Tensor:
        """Ask the guide; one that was written elsewhere need not know of HR images."""
        values: Tensor = self.guide(lq) if gt is None else self.guide(lq, gt)
        return values

    def forward(self, lq: Tensor, *, signals: Signals | None = None, gt: Tensor | None = None) -> Tensor:
        """Super-resolve.

        The base gets a copy, with which it may do what it likes.

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1], any size of at least one pixel.
            signals: What guides the units, if that has been computed from larger images of which these are tiles;
                ``None`` computes it from ``lq``.
            gt: As for :meth:`signals`.

        Returns:
            SR images (B, 3, sH, sW), about [0, 1], not clipped.

        Raises:
            ConfigError: If the input has not three channels, or is not what the signals are for, or the guide misses
                an HR image; under ``DataParallel``, if it is called by two threads at once, or in the backward pass if
                the base computes a part again that holds a unit.
        """
        check_rgb(lq, "The semantic guide")
        if signals is not None:
            signals.check_fit(lq)
        if getattr(self, "_is_replica", False):
            raise ConfigError(
                "DataParallel is not supported: start one process a GPU instead (torchrun --nproc_per_node N "
                "-m segsr_arch.cli.basicsr train -opt FILE --launcher pytorch), or set num_gpu: 1."
            )
        current = self._guided_by(lq, gt) if signals is None else signals
        if self._current.signals is not None:
            raise ConfigError(
                "This network is called while it runs already, from another thread or within itself. Give each thread "
                "a copy of its own (copy.deepcopy), or call it from one thread at a time."
            )
        self._current.signals = current
        try:
            padded = pad_to_multiple(lq, self._size_rule.multiple, minimum=self._size_rule.minimum)
            sr = self.base(padded.clone())  # RCAN of spandrel, for one, changes it
        finally:
            self._current.signals = None
        return crop(sr, lq.shape[-2] * self.upscale, lq.shape[-1] * self.upscale)

    @property
    def has_maps(self) -> bool:
        """Whether units are guided by maps, as the paper's full guide does (semantics: modules: sfem+slm+lmm)."""
        return self.guide.has_maps

    @torch.no_grad()
    def guidance_maps(self, lq: Tensor, gt: Tensor | None = None) -> Tensor:
        """Return the semantic guidance maps of an image, for looking at (SeG-SR eq. 8, figure 7).

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1].
            gt: As for :meth:`signals`.

        Returns:
            Maps (B, k, H, W), one a unit, cosine similarities in [-1, 1], float32, resized bilinearly, before they are
            standardised, scaled or upsampled, if they are.

        Raises:
            ConfigError: If the guide has no localization, and so no maps, or misses an HR image.
        """
        modes = {module: module.training for module in self.guide.modules()}
        self.guide.eval()
        try:
            return self.guide.resize(self.guide.view(lq, gt).maps, (lq.shape[-2], lq.shape[-1])).clamp(-1, 1)
        finally:
            for module, was_training in modes.items():
                module.training = was_training

    def parameter_counts(self) -> dict[str, int]:
        """Count parameters: ``base``, ``vlm`` (frozen), ``lora``, ``guide`` (localization, projection, modulation)."""
        feature_extraction = self.guide.feature_extraction
        extraction = list(feature_extraction.parameters())
        lora = sum(p.numel() for p in extraction if p.requires_grad)
        return {
            "base": sum(p.numel() for p in self.base.parameters()),
            "vlm": sum(p.numel() for p in extraction) - lora,
            "lora": lora,
            "guide": sum(p.numel() for p in self.guide.parameters()) - sum(p.numel() for p in extraction),
        }

    def _description(self) -> dict[str, Any]:
        return describe_network(
            base=self.base,
            upscale=self.upscale,
            unit_paths=self.unit_paths,
            semantics=self.guide.config,
            guide=type(self.guide),
            form=self.form,
        )

    def get_extra_state(self) -> Tensor:
        """Describe the network in 1024 bytes: scale, base, units, guide, identity of the VLM."""
        vlm = asdict(self.guide.feature_extraction.identity)
        return encode_description({**self._description(), "vlm": vlm})

    def set_extra_state(self, state: Tensor) -> None:
        """Check that a checkpoint was trained beside the same frozen VLM; one with its weights says which one it is.

        Raises:
            CheckpointError: If the VLM of the checkpoint has another digest; both are named.
        """
        recorded = FrozenIdentity(**decode_description(state)["vlm"])
        self.guide.feature_extraction.take_identity(recorded)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a checkpoint of a guided network, after checking that it is one of this network.

        Args:
            state_dict: Entries of ``params`` or ``params_ema``.
            strict: As in torch; if false, another scale is allowed (fine-tuning x2 to x4), another VLM never is.
            assign: As in torch.

        Returns:
            Missing and unexpected names.

        Raises:
            CheckpointError: If it belongs to another scale, base, choice of units, guide or VLM, or is no guided
                network's.
        """
        check_description(state_dict, self._description(), strict=strict)
        return super().load_state_dict(state_dict, strict=strict, assign=assign)
