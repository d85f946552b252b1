"""TTST under its name in option files."""

from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.archs.ttst.network import TTSTNetwork
from segsr_arch.compat.registration import register


@register(ARCH_REGISTRY)
class TTST(TTSTNetwork):
    """TTST, built by ``network_g: type: TTST``; arguments and contract in :class:`TTSTNetwork`."""
