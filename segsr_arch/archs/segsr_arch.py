"""SeG-SR as the paper has it: HAT, each of its groups a unit, guided by semantics."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.archs.checkpoint_description import check_description, check_identity
from segsr_arch.archs.guided_network import GuidedNetwork, load_base_weights, refuse_units_that_are_recomputed
from segsr_arch.archs.hat_arch import HAT
from segsr_arch.archs.unit_layouts import find_layout, select_units
from segsr_arch.errors import CheckpointError, ConfigError
from segsr_arch.semantics import SemanticsConfig, check_available
from segsr_arch.semantics.vision_tower import known_identity


@ARCH_REGISTRY.register()
class SeGSR(GuidedNetwork):
    """Semantic-guided super-resolution of remote-sensing images (Chen et al., SeG-SR, section III).

    :class:`~segsr_arch.archs.guided_network.GuidedNetwork` around :class:`~segsr_arch.archs.hat_arch.HAT`; the
    defaults are the paper's network. The parameters of HAT are passed on to it.

    Args:
        upscale: Scale s.
        img_range: Value range of the input.
        embed_dim: Channels of HAT.
        depths: Blocks of each group; its length is the number of groups.
        num_heads: Attention heads of each group.
        window_size: Side of an attention window, in LR pixels.
        compress_ratio: Channel compression of HAT's channel attention blocks.
        squeeze_factor: Squeeze factor of its channel attention.
        conv_scale: Weight of its convolution branch.
        overlap_ratio: Overlap of its overlapping cross-attention windows.
        mlp_ratio: Hidden width of its MLPs over ``embed_dim``.
        qkv_bias: Whether query, key and value have a bias.
        drop_path_rate: Largest stochastic depth rate.
        use_checkpoint: Recompute the groups in the backward pass, to save memory.
        semantics: Options of the guide, see :class:`~segsr_arch.semantics.config.SemanticsConfig`.
        units: Number of groups of units or module paths; ``None``: each group of HAT is a unit.
        pretrain_base: Path of published HAT weights.

    Raises:
        ConfigError: If an option is wrong.
        WeightsError: If weights of the vision-language model cannot be had.
        CheckpointError: If ``pretrain_base`` cannot be read or does not fit.
    """

    nested_options = {"semantics": SemanticsConfig}

    @staticmethod
    def check_options(options: Mapping[str, Any]) -> None:
        """Find what is wrong with ``network_g`` before anything is built or moved.

        Args:
            options: Constructor arguments by name, and ``type``.

        Raises:
            ConfigError: If an option of HAT or of the guide is wrong, or ``pretrain_base`` does not exist.
            WeightsError: If weights of the vision-language model cannot be had, read, or do not fit.
            CheckpointError: If ``pretrain_base`` cannot be read or does not fit.
        """
        path = options.get("pretrain_base")
        if path is not None and not Path(path).is_file():
            raise ConfigError(f"network_g: pretrain_base: there is no file {path} (seen from {Path.cwd()}).")
        HAT.check_options(options)
        base = _outline(options)
        refuse_units_that_are_recomputed(base, select_units(base, find_layout(base), options.get("units")))
        check_available(SemanticsConfig.from_options(options.get("semantics")))
        if path is not None:
            load_base_weights(base.to_empty(device="cpu"), path)

    @staticmethod
    def check_checkpoint(options: Mapping[str, Any], state: Mapping[str, Any], strict: bool) -> None:
        """Find out whether a checkpoint fits options that :meth:`check_options` has passed.

        Args:
            options: Constructor arguments by name, and ``type``.
            state: Weights by name, as they stand in the checkpoint.
            strict: Whether they must fit exactly.

        Raises:
            CheckpointError: If it belongs to another scale, base or vision-language model. A large one's digest is
                left to the constructor.
        """
        base = _outline(options)
        units = select_units(base, find_layout(base), options.get("units"))
        own = {"upscale": base.upscale, "base": type(base).__name__, "units": len(units)}
        description = check_description(state, own, strict=strict)
        identity = known_identity(SemanticsConfig.from_options(options.get("semantics")))
        if identity is not None:
            check_identity(description, identity)
        if strict:
            of_base = {name.removeprefix("base."): value for name, value in state.items() if name.startswith("base.")}
            try:
                base.load_state_dict(of_base, strict=True, assign=True)
            except RuntimeError as error:
                raise CheckpointError(f"The checkpoint does not fit the HAT of network_g: {error}") from error

    def __init__(
        self,
        *,
        upscale: int = 4,
        img_range: float = 1.0,
        embed_dim: int = 180,
        depths: Sequence[int] = (6, 6, 6, 6, 6, 6),
        num_heads: Sequence[int] = (6, 6, 6, 6, 6, 6),
        window_size: int = 16,
        compress_ratio: int = 3,
        squeeze_factor: int = 30,
        conv_scale: float = 0.01,
        overlap_ratio: float = 0.5,
        mlp_ratio: float = 2.0,
        qkv_bias: bool = True,
        drop_path_rate: float = 0.1,
        use_checkpoint: bool = False,
        semantics: Mapping[str, Any] | SemanticsConfig | None = None,
        units: int | Sequence[str] | None = None,
        pretrain_base: str | None = None,
    ) -> None:
        base = HAT(
            upscale=upscale,
            img_range=img_range,
            embed_dim=embed_dim,
            depths=depths,
            num_heads=num_heads,
            window_size=window_size,
            compress_ratio=compress_ratio,
            squeeze_factor=squeeze_factor,
            conv_scale=conv_scale,
            overlap_ratio=overlap_ratio,
            mlp_ratio=mlp_ratio,
            qkv_bias=qkv_bias,
            drop_path_rate=drop_path_rate,
            use_checkpoint=use_checkpoint,
        )
        super().__init__(base=base, semantics=semantics, upscale=upscale, units=units, pretrain_base=pretrain_base)


def _outline(options: Mapping[str, Any]) -> HAT:
    """HAT as SeGSR builds it from these options, without memory for its weights."""
    known = inspect.signature(HAT).parameters
    own = {name: p.default for name, p in inspect.signature(SeGSR).parameters.items() if name in known}
    with torch.device("meta"):
        return HAT(**{name: options.get(name, default) for name, default in own.items()})
