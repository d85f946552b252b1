"""SPT under its name in option files."""

from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.archs.spt.network import SPTNetwork
from segsr_arch.compat.registration import register


@register(ARCH_REGISTRY)
class SPT(SPTNetwork):
    """SPT, built by ``network_g: type: SPT``; arguments and contract in :class:`SPTNetwork`.

    Where another package registers an SPT of its own, that is ``SPT`` and this one ``SPT_segsr``.
    """
