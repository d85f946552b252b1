"""SeG-SR as the paper has it: HAT, each of its groups a unit, guided by semantics."""

from collections.abc import Mapping, Sequence
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.archs.hat.options import HATOptions
from segsr_arch.archs.semantic_sr_arch import SemanticSR
from segsr_arch.compat.registration import SUFFIX, register
from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import takes_fields_of
from segsr_arch.semantics import SemanticsConfig


@register(ARCH_REGISTRY)
class SeGSR(SemanticSR):
    """Semantic-guided super-resolution of remote-sensing images (Chen et al., SeG-SR, section III).

    ``SemanticSR`` with this package's HAT; the defaults are the paper's network. HAT's arguments stand beside those
    of the guide, as in public option files.

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

    nested_networks = ()

    @classmethod
    def base_options(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take HAT's arguments out of the constructor arguments; it is this package's HAT, whoever else has one."""
        hat = HATOptions.among(options)
        if hat.in_chans != 3:
            raise ConfigError(
                f"in_chans: {hat.in_chans!r}: the vision-language model sees red, green and blue; give 3."
            )
        return {"type": f"HAT_{SUFFIX}", **vars(hat)}

    @takes_fields_of(HATOptions)
    def __init__(
        self,
        *,
        semantics: Mapping[str, Any] | SemanticsConfig | None = None,
        units: int | Sequence[str] | None = None,
        pretrain_base: str | None = None,
        **hat: Any,
    ) -> None:
        base = self.base_options(vars(HATOptions(**hat)))
        super().__init__(base=base, semantics=semantics, units=units, pretrain_base=pretrain_base)
