"""SeG-SR as the paper has it: HAT, each of its groups a unit, guided by semantics."""

from collections.abc import Mapping, Sequence
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.archs.hat.options import HATOptions
from segsr_arch.archs.hat_arch import HAT
from segsr_arch.archs.semantic_sr_arch import check_guided, check_guided_checkpoint
from segsr_arch.compat.registration import register
from segsr_arch.errors import ConfigError
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.option_fields import takes_fields_of
from segsr_arch.semantics import SemanticsConfig
from segsr_arch.zoo.named_networks import Base


@register(ARCH_REGISTRY)
class SeGSR(GuidedNetwork):
    """Semantic-guided super-resolution of remote-sensing images (Chen et al., SeG-SR, section III).

    :class:`~segsr_arch.archs.semantic_sr_arch.SemanticSR` with this package's HAT; the defaults are the paper's
    network. The parameters of HAT are passed on to it, those included that the public option files of HAT and SeG-SR
    carry.

    Args:
        semantics: Options of the guide, see :class:`~segsr_arch.semantics.config.SemanticsConfig`.
        units: Number of groups of units or module paths; ``None``: each group of HAT is a unit.
        pretrain_base: Path of published HAT weights.
        hat: Arguments of HAT, see :class:`~segsr_arch.archs.hat.options.HATOptions`; ``in_chans`` must be 3, which is
            what the vision-language model sees.

    Raises:
        ConfigError: If an option is wrong.
        WeightsError: If weights of the vision-language model cannot be had.
        CheckpointError: If ``pretrain_base`` cannot be read or does not fit.
    """

    @staticmethod
    def check_options(options: Mapping[str, Any]) -> None:
        """As ``SemanticSR.check_options``, with HAT's arguments beside those of the guide."""
        check_guided(_hat(HATOptions.among(options)), options)

    @classmethod
    def check_checkpoint(cls, options: Mapping[str, Any], state: Mapping[str, Any], strict: bool) -> None:
        """As ``SemanticSR.check_checkpoint``, with HAT's arguments beside those of the guide."""
        check_guided_checkpoint(_hat(HATOptions.among(options)), options, state, strict, guide=cls.guide_class)

    @takes_fields_of(HATOptions)
    def __init__(
        self,
        *,
        semantics: Mapping[str, Any] | SemanticsConfig | None = None,
        units: int | Sequence[str] | None = None,
        pretrain_base: str | None = None,
        **hat: Any,
    ) -> None:
        base = _hat(HATOptions(**hat)).build()
        super().__init__(base=base, semantics=semantics, units=units, pretrain_base=pretrain_base)


def _hat(options: HATOptions) -> Base:
    """This package's HAT as the base, whatever HAT is in BasicSR's registry."""
    if options.in_chans != 3:
        raise ConfigError(
            f"in_chans: {options.in_chans!r}: the vision-language model sees red, green and blue; give 3."
        )
    return Base(name="HAT", network=HAT, arguments=vars(options))
