"""Networks that ``segsr export`` has written, for the options of a test."""

from collections.abc import Mapping
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

from segsr_arch.compat.registration import register
from segsr_arch.errors import ConfigError
from segsr_arch.inference.form import to_inference_form
from segsr_arch.running.logs import errors_only
from segsr_arch.zoo.named_networks import build_base


@register(ARCH_REGISTRY)
def InferenceForm(*, network: Mapping[str, Any], precision: str = "bf16") -> nn.Module:  # noqa: N802
    """Build a network in its form for inference, for the weights that ``segsr export`` has written.

    .. code-block:: yaml

        network_g:
          type: InferenceForm
          precision: bf16
          network: {type: SeGSR, upscale: 4, semantics: {vlm: ViT-B-16-quickgelu, pretrained: ~}}

    Args:
        network: ``type`` and arguments of the network. The file holds the weights of its vision-language model, so
            ``semantics: pretrained`` stays empty.
        precision: ``fp32``, ``bf16`` or ``fp16``, as the file was written.

    Returns:
        The network as :func:`~segsr_arch.inference.form.to_inference_form` leaves it.

    Raises:
        ConfigError: If the network or the precision is wrong.
        DependencyError: If the network needs a package that is not installed.
    """
    semantics = network.get("semantics")
    if isinstance(semantics, Mapping) and semantics.get("pretrained") is not None:
        raise ConfigError("network: semantics: pretrained: leave it empty; the exported file holds these weights.")
    with errors_only("segsr_arch.semantics"):  # the file replaces the weights that are drawn here
        built = build_base(network)
    return to_inference_form(built, precision=precision)


InferenceForm.nested_networks = ("network",)
