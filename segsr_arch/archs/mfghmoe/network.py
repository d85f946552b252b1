"""MFG-HMoE as a whole."""

from typing import Any

import torch
from torch import Tensor, nn

from segsr_arch.archs.hat.hybrid import UPSAMPLER_CHANNELS
from segsr_arch.archs.hat.network import HATNetwork
from segsr_arch.archs.mfghmoe.experts import ExpertConvolution
from segsr_arch.archs.mfghmoe.options import MFGHMoEOptions
from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc
from segsr_arch.option_fields import takes_fields_of


class MFGHMoENetwork(HATNetwork):
    """Multilevel Feature Guided Heterogeneous Mixture of Experts (Chen et al., "Heterogeneous Mixture of Experts for
    Remote Sensing Image Super-Resolution", 2025).

    HAT, without the mean, whose features are enlarged in one step by experts: convolutions of two sizes, one of which
    is chosen for each LR pixel by what the outputs of all groups tell together. Each group's output is normalised
    before the next one reads it; this is also what the gate's features are made of. With ``gate: hard`` it computes the
    same as the published network with the same weights and has its state-dict names.

    The published choice has no gradient, so that the gate and what makes its features, four tensors of each group and
    nine more, stay as they began. ``gate: learned`` chooses alike and computes the same with the same weights, and in
    training the choice has the gradient of the mean of all experts weighted by their probabilities
    (straight-through estimator). With ``gate: hard`` those tensors need no gradient (``requires_grad`` is false),
    so that no distributed training waits for one; :meth:`idle` names them.

    127.9 GMACs are known of it at x4, which computes all experts everywhere. Here only the chosen ones are computed,
    110 of it; all of them only in the backward pass of a learned gate and in programs (``torch.export``,
    ``torch.compile``), which must not depend on how many pixels an expert gets.

    Args:
        arguments: Fields of :class:`~segsr_arch.archs.mfghmoe.options.MFGHMoEOptions`.

    Raises:
        ConfigError: If an argument is wrong.
    """

    options_type = MFGHMoEOptions
    options: MFGHMoEOptions
    subtracts_mean = False

    @takes_fields_of(MFGHMoEOptions)
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        channels = self.options.embed_dim
        # A norm and two convolutions for each group, in turn, as published code names them.
        self.mfg = nn.ModuleList()
        for _ in self.options.depths:
            narrow = nn.Conv2d(channels, UPSAMPLER_CHANNELS, 3, padding=1)
            wide = nn.Conv2d(UPSAMPLER_CHANNELS, channels, 3, padding=1)
            self.mfg += [nn.LayerNorm(channels), nn.Sequential(narrow, nn.LeakyReLU(inplace=True), wide)]
        self.aggr_conv = nn.Sequential(
            nn.Conv2d(channels, UPSAMPLER_CHANNELS, 3, padding=1), nn.LeakyReLU(inplace=True)
        )
        if self.options.gate == "hard":
            for name in self.idle():
                self.get_parameter(name).requires_grad_(False)

    def idle(self) -> list[str]:
        """Names of the parameters that a hard gate leaves as they began."""
        parts = ("aggr_conv.", "upsample.0.gate.", *(f"mfg.{place}." for place in range(1, len(self.mfg), 2)))
        return [name for name, _ in self.named_parameters() if name.startswith(parts)]

    def make_upsampler(self) -> nn.Sequential:
        """Make what enlarges (B, 64, H, W): the experts and a pixel shuffle."""
        options = self.options
        experts = ExpertConvolution(
            dim=UPSAMPLER_CHANNELS,
            outputs=self.upscale**2 * UPSAMPLER_CHANNELS,
            kernels=options.expert_kernels,
            experts=options.num_experts // len(options.expert_kernels),
            learned=options.gate == "learned",
        )
        return nn.Sequential(experts, nn.PixelShuffle(self.upscale))

    def enlarge(self, shallow: Tensor) -> Tensor:
        """Go on from the first convolution, (B, C, Hp, Wp), to the last one, (B, in_chans, sHp, sWp)."""
        x = to_nhwc(shallow)
        plan = self.plan(*x.shape[:3])
        x = self.patch_embed(x)
        levels = torch.zeros((), dtype=x.dtype, device=x.device)
        for place, layer in enumerate(self.layers):
            x = self.mfg[2 * place](layer(x, plan))
            seen = x.detach() if self.options.gate == "hard" else x
            levels = levels + to_nhwc(self.mfg[2 * place + 1](to_nchw(seen)))
        guide = self.aggr_conv(to_nchw(self.norm(levels)))
        experts, shuffle = self.upsample
        enlarged = experts(to_nhwc(self.before_upsample(x, shallow)), to_nhwc(guide))
        image: Tensor = self.conv_last(shuffle(to_nchw(enlarged)))
        return image
