"""SeG-SR as the paper has it: HAT, each of its groups a unit, guided by semantics."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.archs.hat_arch import HAT
from segsr_arch.archs.semantic_sr_arch import SemanticSR, check_guided, check_guided_checkpoint
from segsr_arch.semantics import SemanticsConfig


@ARCH_REGISTRY.register()
class SeGSR(SemanticSR):
    """Semantic-guided super-resolution of remote-sensing images (Chen et al., SeG-SR, section III).

    :class:`~segsr_arch.archs.semantic_sr_arch.SemanticSR` with ``base: {type: HAT}``; the defaults are the paper's
    network. The parameters of HAT are passed on to it.

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

    nested_networks = ()

    @staticmethod
    def check_options(options: Mapping[str, Any]) -> None:
        """As :meth:`SemanticSR.check_options`, with HAT's arguments beside those of the guide."""
        check_guided(_hat(options), options)

    @staticmethod
    def check_checkpoint(options: Mapping[str, Any], state: Mapping[str, Any], strict: bool) -> None:
        """As :meth:`SemanticSR.check_checkpoint`, with HAT's arguments beside those of the guide."""
        check_guided_checkpoint(_hat(options), options, state, strict)

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
        base = {
            "type": "HAT",
            "upscale": upscale,
            "img_range": img_range,
            "embed_dim": embed_dim,
            "depths": depths,
            "num_heads": num_heads,
            "window_size": window_size,
            "compress_ratio": compress_ratio,
            "squeeze_factor": squeeze_factor,
            "conv_scale": conv_scale,
            "overlap_ratio": overlap_ratio,
            "mlp_ratio": mlp_ratio,
            "qkv_bias": qkv_bias,
            "drop_path_rate": drop_path_rate,
            "use_checkpoint": use_checkpoint,
        }
        super().__init__(base=base, semantics=semantics, units=units, pretrain_base=pretrain_base)


def _hat(options: Mapping[str, Any]) -> dict[str, Any]:
    """What these options of SeGSR say of its HAT, defaults included."""
    known = inspect.signature(HAT).parameters
    own = {name: p.default for name, p in inspect.signature(SeGSR).parameters.items() if name in known}
    return {"type": "HAT", **{name: options.get(name, default) for name, default in own.items()}}
