"""MFG-HMoE under its name in option files."""

from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.archs.mfghmoe.network import MFGHMoENetwork
from segsr_arch.compat.registration import register


@register(ARCH_REGISTRY)
class MFGHMOE(MFGHMoENetwork):
    """MFG-HMoE, built by ``network_g: type: MFGHMOE``; arguments and contract in :class:`MFGHMoENetwork`."""
