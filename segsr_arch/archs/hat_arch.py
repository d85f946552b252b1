"""HAT under its name in option files."""

from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.archs.hat.network import HATNetwork
from segsr_arch.compat.registration import register


@register(ARCH_REGISTRY)
class HAT(HATNetwork):
    """HAT, built by ``network_g: type: HAT``; arguments and contract in :class:`HATNetwork`.

    Where another package registers a HAT of its own, that is ``HAT`` and this one ``HAT_segsr``.
    """
