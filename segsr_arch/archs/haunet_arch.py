"""HAUNet under its name in option files."""

from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.archs.haunet.network import HAUNetNetwork
from segsr_arch.compat.registration import register


@register(ARCH_REGISTRY)
class HAUNet(HAUNetNetwork):
    """HAUNet, built by ``network_g: type: HAUNet``; arguments and contract in :class:`HAUNetNetwork`.

    Where another package registers a HAUNet of its own, that is ``HAUNet`` and this one ``HAUNet_segsr``.
    """
