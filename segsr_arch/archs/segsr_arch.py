"""SeG-SR as the paper has it: HAT, each of its groups a unit, guided by semantics."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.archs.hat_arch import HAT
from segsr_arch.archs.semantic_sr_arch import check_guided, check_guided_checkpoint
from segsr_arch.compat.registration import register
from segsr_arch.errors import ConfigError
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.semantics import SemanticsConfig
from segsr_arch.zoo.named_networks import Base


@register(ARCH_REGISTRY)
class SeGSR(GuidedNetwork):
    """Semantic-guided super-resolution of remote-sensing images (Chen et al., SeG-SR, section III).

    :class:`~segsr_arch.archs.semantic_sr_arch.SemanticSR` with this package's HAT; the defaults are the paper's
    network. The parameters of HAT are passed on to it, those included that the public option files of HAT and SeG-SR
    carry.

    Args:
        upscale: Scale s.
        in_chans: Channels of the images: 3, which is what the vision-language model sees.
        img_size: Side of the LR patches of the training, in public option files. It changes nothing unless it is
            ``window_size``: then no block shifts its windows.
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
        upsampler: ``pixelshuffle``.
        resi_connection: ``1conv``, the convolution that ends each group, or ``identity``.
        use_checkpoint: Recompute the groups in the backward pass, to save memory.
        semantics: Options of the guide, see :class:`~segsr_arch.semantics.config.SemanticsConfig`.
        units: Number of groups of units or module paths; ``None``: each group of HAT is a unit.
        pretrain_base: Path of published HAT weights.

    Raises:
        ConfigError: If an option is wrong.
        WeightsError: If weights of the vision-language model cannot be had.
        CheckpointError: If ``pretrain_base`` cannot be read or does not fit.
    """

    @staticmethod
    def check_options(options: Mapping[str, Any]) -> None:
        """As ``SemanticSR.check_options``, with HAT's arguments beside those of the guide."""
        check_guided(_hat(options), options)

    @classmethod
    def check_checkpoint(cls, options: Mapping[str, Any], state: Mapping[str, Any], strict: bool) -> None:
        """As ``SemanticSR.check_checkpoint``, with HAT's arguments beside those of the guide."""
        check_guided_checkpoint(_hat(options), options, state, strict, guide=cls.guide_class)

    def __init__(
        self,
        *,
        upscale: int = 4,
        in_chans: int = 3,
        img_size: int = 64,
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
        upsampler: str = "pixelshuffle",
        resi_connection: str = "1conv",
        use_checkpoint: bool = False,
        semantics: Mapping[str, Any] | SemanticsConfig | None = None,
        units: int | Sequence[str] | None = None,
        pretrain_base: str | None = None,
    ) -> None:
        arguments = {
            "upscale": upscale,
            "in_chans": in_chans,
            "img_size": img_size,
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
            "upsampler": upsampler,
            "resi_connection": resi_connection,
            "use_checkpoint": use_checkpoint,
        }
        base = _hat(arguments).build()
        super().__init__(base=base, semantics=semantics, units=units, pretrain_base=pretrain_base)


def _hat(options: Mapping[str, Any]) -> Base:
    """The HAT that these options of SeGSR describe: this package's, whatever HAT is in BasicSR's registry."""
    known = inspect.signature(HAT).parameters
    own = {name: p.default for name, p in inspect.signature(SeGSR).parameters.items() if name in known}
    arguments = {name: options.get(name, default) for name, default in own.items()}
    if arguments["in_chans"] != own["in_chans"]:
        raise ConfigError(
            f"in_chans: {arguments['in_chans']!r}: the vision-language model sees red, green and blue; give 3."
        )
    return Base(name="HAT", network=HAT, arguments=arguments)
