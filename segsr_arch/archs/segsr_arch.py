"""SeG-SR as the paper has it: HAT, each of its groups a unit, guided by semantics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.archs.guided_network import GuidedNetwork
from segsr_arch.archs.hat_arch import HAT
from segsr_arch.errors import ConfigError
from segsr_arch.semantics import SemanticsConfig, check_available


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

        Raises:
            ConfigError: If an option of the guide is wrong, or ``pretrain_base`` does not exist.
            WeightsError: If weights of the vision-language model cannot be had.
        """
        check_available(SemanticsConfig.from_options(options.get("semantics")))
        path = options.get("pretrain_base")
        if path is not None and not Path(path).is_file():
            raise ConfigError(f"network_g: pretrain_base: there is no file {path} (seen from {Path.cwd()}).")

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
