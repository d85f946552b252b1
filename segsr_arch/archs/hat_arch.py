"""HAT under its name in option files."""

from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.archs.hat.network import HATNetwork


@ARCH_REGISTRY.register()
class HAT(HATNetwork):
    """HAT, built by ``network_g: type: HAT``; arguments and contract in :class:`HATNetwork`."""
