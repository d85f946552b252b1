"""A semantic guide for any registered network made of stacked units."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

from segsr_arch.compat.registration import register
from segsr_arch.errors import CheckpointError, ConfigError
from segsr_arch.freezing import FrozenIdentity
from segsr_arch.guiding.base_weights import check_base_path, load_base_weights
from segsr_arch.guiding.checkpoint_description import check_description, describe_network
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.guiding.unit_probe import NoValuesError, Probe, probe_network
from segsr_arch.semantics import SemanticsConfig, check_available
from segsr_arch.semantics.feature_extraction import SemanticFeatureExtraction
from segsr_arch.semantics.vision_tower import known_identity
from segsr_arch.zoo.named_networks import SCALE_NAMES, Base

logger = logging.getLogger(__name__)


@register(ARCH_REGISTRY)
class SemanticSR(GuidedNetwork):
    """Any network of BasicSR's registry, each of its units told where to look (SeG-SR, section IV-E and table VII).

    :class:`~segsr_arch.guiding.guided_network.GuidedNetwork` around a network that a YAML describes:

    .. code-block:: yaml

        network_g:
          type: SemanticSR
          base: {type: EDSR, num_in_ch: 3, num_out_ch: 3, num_feat: 256, num_block: 32, upscale: 4, res_scale: 0.1}
          units: 4
          semantics: {vlm: ViT-B-16-quickgelu, pretrained: openai, lora_rank: 32}

    Args:
        base: ``type`` and arguments of a registered network, third-party ones included, or of ``spandrel/NAME``.
        semantics: Options of the guide, see :class:`~segsr_arch.semantics.config.SemanticsConfig`.
        units: Number of groups of units (networks of :data:`~segsr_arch.capabilities.FOREIGN`) or module
            paths; ``None``: each entry of the layout is a unit.
        pretrain_base: Path of weights of the base alone, in its own published format.

    Raises:
        ConfigError: If an option is wrong.
        DependencyError: If the base needs a package that is not installed.
        WeightsError: If weights of the vision-language model cannot be had.
        CheckpointError: If ``pretrain_base`` cannot be read or does not fit.
    """

    nested_networks: tuple[str, ...] = ("base",)

    @classmethod
    def base_options(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take ``type`` and arguments of the base out of the constructor arguments."""
        base: Mapping[str, Any] = options["base"]
        return base

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> None:
        """Find what is wrong with ``network_g`` before anything is built or moved.

        Args:
            options: Constructor arguments by name, and ``type``.

        Raises:
            ConfigError: If an option of the base or of the guide is wrong, or ``pretrain_base`` does not exist.
            DependencyError: If the base needs a package that is not installed.
            WeightsError: If weights of the vision-language model cannot be had, read, or do not fit.
            CheckpointError: If ``pretrain_base`` cannot be read or does not fit.
        """
        check_base_path(options.get("pretrain_base"))
        base = _unguided(cls.base_options(options))
        network, probe = _outline(base, options.get("units"))
        for name in SCALE_NAMES:
            given = base.arguments.get(name)  # a fraction is a weight of residuals, not an enlargement
            if isinstance(given, int) and given >= 1 and given != probe.scale:
                raise ConfigError(
                    f"base: {name}: {given} makes {base.name} enlarge x{probe.scale}; it does not know this scale."
                )
        check_available(SemanticsConfig.from_options(options.get("semantics")))
        if options.get("pretrain_base") is not None:
            load_base_weights(network.to_empty(device="cpu"), options["pretrain_base"])

    @classmethod
    def check_checkpoint(cls, options: Mapping[str, Any], state: Mapping[str, Any], strict: bool) -> None:
        """Find out whether a checkpoint fits options that :meth:`check_options` has passed.

        Args:
            options: Constructor arguments by name, and ``type``.
            state: Weights by name, as they stand in the checkpoint.
            strict: Whether they must fit exactly.

        Raises:
            CheckpointError: If it belongs to another scale, base, guide or vision-language model. A large one's digest
                is left to the constructor.
        """
        network, probe = _outline(_unguided(cls.base_options(options)), options.get("units"))
        semantics = SemanticsConfig.from_options(options.get("semantics"))
        own = describe_network(
            base=network, upscale=probe.scale, unit_paths=probe.paths, semantics=semantics, guide=cls.guide_class
        )
        description = check_description(state, own, strict=strict)
        identity = known_identity(semantics)
        if identity is not None:
            SemanticFeatureExtraction.check_identity(FrozenIdentity(**description["vlm"]), identity)
        if strict:
            of_base = {name.removeprefix("base."): value for name, value in state.items() if name.startswith("base.")}
            try:
                network.load_state_dict(of_base, strict=True, assign=True)
            except RuntimeError as error:
                name = type(network).__name__
                raise CheckpointError(f"The checkpoint does not fit the {name} of network_g: {error}") from error

    def __init__(
        self,
        *,
        base: Mapping[str, Any],
        semantics: Mapping[str, Any] | SemanticsConfig | None = None,
        units: int | Sequence[str] | None = None,
        pretrain_base: str | None = None,
    ) -> None:
        super().__init__(base=_unguided(base).build(), semantics=semantics, units=units, pretrain_base=pretrain_base)


def _outline(base: Base, units: int | Sequence[str] | None) -> tuple[nn.Module, Probe]:
    network = base.outline()
    try:
        return network, probe_network(network, units)
    except NoValuesError:
        network = base.outline(with_values=True)
        return network, probe_network(network, units)


def _unguided(options: Mapping[str, Any]) -> Base:
    """Read a base from its options; one that has a guide of its own is refused."""
    base = Base.from_options(options)
    if isinstance(base.network, type) and issubclass(base.network, GuidedNetwork):
        raise ConfigError(f"base: type: {base.name} has a guide already; name the network that is to be guided.")
    return base
