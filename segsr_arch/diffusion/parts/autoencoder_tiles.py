"""Large images through the autoencoder of Stable Diffusion in tiles that add up to what the whole gives.

Its group normalisations take mean and variance of a whole image; tiles that take their own do not fit together. Here
all tiles share them: each sweep over the tiles normalises by what the one before has found, until that stays the same.
After n sweeps the first n - 1 normalisations are those of the whole, whatever the weights. The middle, with its
attention, is as small as latents and runs at once.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from segsr_arch.diffusion.samplers.latent_tiles import blended, window_weights
from segsr_arch.windows import Window, WindowGrid

# Change of a mean or deviation, in standard deviations, below which sweeps end. Of a small trained autoencoder
# 1 to 5 sweeps over tiles of 32 latents with an overlap of 16 gave 22, 39, 47, 58 and 64 dB to the whole.
_SETTLED = 1e-3


def encode_in_tiles(vae: Any, images: Tensor, grid: WindowGrid, *, factor: int) -> Tensor:
    """Compute what the encoder of ``AutoencoderKL`` gives before the moments are split.

    Args:
        vae: It.
        images: (B, 3, H, W) in [-1, 1].
        grid: Windows of the latents.
        factor: Pixels of a latent's side.

    Returns:
        Moments (B, 2 * channels, h, w).
    """
    encoder = vae.encoder

    def outer(window: Window) -> Tensor:
        features: Tensor = encoder.conv_in(images[(...,) + window.scaled(factor).slices])
        for block in encoder.down_blocks:
            features = block(features)
        return features

    middle = encoder.mid_block(_in_sweeps(outer, encoder.down_blocks, grid, scale=1).to(images.dtype))
    moments: Tensor = encoder.conv_out(encoder.conv_act(encoder.conv_norm_out(middle)))
    return moments if vae.quant_conv is None else vae.quant_conv(moments)


def decode_in_tiles(vae: Any, latents: Tensor, grid: WindowGrid, *, factor: int) -> Tensor:
    """Compute what ``AutoencoderKL`` decodes.

    Args:
        vae: It.
        latents: (B, channels, h, w), not scaled.
        grid: Windows of the latents.
        factor: Pixels of a latent's side.

    Returns:
        Images (B, 3, H, W), about [-1, 1].
    """
    decoder = vae.decoder
    given = latents if vae.post_quant_conv is None else vae.post_quant_conv(latents)
    middle = decoder.mid_block(decoder.conv_in(given))

    def outer(window: Window) -> Tensor:
        features = middle[(...,) + window.slices]
        for block in decoder.up_blocks:
            features = block(features)
        images: Tensor = decoder.conv_out(decoder.conv_act(decoder.conv_norm_out(features)))
        return images

    return _in_sweeps(outer, nn.ModuleList([*decoder.up_blocks, decoder.conv_norm_out]), grid, scale=factor)


def _in_sweeps(run: Callable[[Window], Tensor], parts: nn.Module, grid: WindowGrid, *, scale: int) -> Tensor:
    shared = _SharedStatistics(grid)

    def give(window: Window) -> Tensor:
        shared.window = window
        return run(window)

    norms = [module for module in parts.modules() if isinstance(module, nn.GroupNorm)]
    with ExitStack() as stack:
        for module in norms:
            stack.callback(module.register_forward_hook(shared.normalise).remove)
        result = blended(give, grid, scale=scale)
        for _ in norms:
            if shared.next_sweep() < _SETTLED:
                break
            result = blended(give, grid, scale=scale)
    return result


class _SharedStatistics:
    """Mean and mean square of each group of each normalisation over all tiles, every pixel counted once."""

    def __init__(self, grid: WindowGrid) -> None:
        self.window = next(iter(grid))
        self._grid = grid
        self._found: dict[nn.Module, Tensor] = {}
        self._sums: dict[nn.Module, Tensor] = {}

    def next_sweep(self) -> float:
        """Normalise from now on by what has been found; gives its largest change, in standard deviations."""
        before, self._found, self._sums = self._found, self._sums, {}
        if not before:
            return float("inf")
        return max(_change(before[norm], found) for norm, found in self._found.items())

    def normalise(self, norm: nn.GroupNorm, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """Add up the statistics of a tile, and give what the normalisation shall give, in place of its own output."""
        values = inputs[0].float()
        groups = values.reshape(len(values), norm.num_groups, -1, *values.shape[-2:])
        scale = groups.shape[-1] // self.window.width
        weights = window_weights(self.window, self._grid, scale=scale).to(groups.device)
        weights = weights / (scale**2 * self._grid.height * self._grid.width)
        sums = [(powers.mean(2) * weights).sum((-2, -1)) for powers in (groups, groups.square())]
        self._sums[norm] = self._sums.get(norm, 0) + torch.stack(sums)
        if norm not in self._found:
            return output
        mean, square = self._found[norm][..., None, None, None]
        normalised = (groups - mean) * torch.rsqrt((square - mean.square()).clamp(min=0) + norm.eps)
        gain, offset = (each.float().view(-1, 1, 1) for each in (norm.weight, norm.bias))
        shared: Tensor = (normalised.flatten(1, 2) * gain + offset).to(output.dtype)
        return shared


def _change(before: Tensor, now: Tensor) -> float:
    """Largest difference of two pairs of mean and mean square (2, B, groups)."""
    deviations = [(square - mean.square()).clamp(min=1e-12).sqrt() for mean, square in (before, now)]
    means = (now[0] - before[0]).abs() / deviations[1]
    return float(torch.maximum(means, (deviations[0] / deviations[1] - 1).abs()).max())
