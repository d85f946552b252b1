"""Protocols: on which channel and which part of the images PSNR and SSIM are computed.

Papers of this field differ in this without saying so, and the values then differ by more than the methods do. A value
is therefore always given with the name of its protocol.
"""

from dataclasses import dataclass
from typing import Literal

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.known_names import nearest_hint
from segsr_arch.windows import Window

Channel = Literal["y", "rgb-mean", "rgb"]
DEFAULT_PROTOCOL = "y-crop"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How PSNR and SSIM are computed; each is the mean over the images.

    Attributes:
        name: What stands beside a value.
        channel: ``y``: the luma Y of YCbCr (BT.601, 16-235), as BasicSR computes it, not rounded. ``rgb``: the squared
            error is averaged over all three channels, then one PSNR is taken (BasicSR's ``calculate_psnr`` without
            ``test_y_channel``). ``rgb-mean``: one PSNR a channel, then their mean, which is never below that of
            ``rgb``. SSIM is the mean over the channels in both.
        border: Pixels that are left out at each edge, or ``scale`` for as many as the scale.
        mod_crop: The images are first cut on the right and below to a multiple of this.
        used_by: Publications whose values follow it.
        description: One clause for tables and help.
    """

    name: str
    channel: Channel
    border: Literal["scale"] | int
    mod_crop: int = 1
    used_by: tuple[str, ...]
    description: str

    def border_pixels(self, scale: int) -> int:
        """Give the width of the border in pixels at a scale."""
        return scale if self.border == "scale" else self.border

    def smallest_side(self, scale: int, pixels: int = 1) -> int:
        """Give the least side of images of which this many pixels are left after the crop.

        Args:
            scale: Super-resolution factor.
            pixels: Side that must be left: 1 for PSNR, 11 for SSIM.
        """
        return -(-(pixels + 2 * self.border_pixels(scale)) // self.mod_crop) * self.mod_crop

    def region(self, height: int, width: int, scale: int) -> Window:
        """Give the part of an image of this height and width that is measured.

        Raises:
            DataError: If nothing is left.
        """
        border = self.border_pixels(scale)
        bottom, right = (side - side % self.mod_crop - border for side in (height, width))
        if bottom <= border or right <= border:
            smallest = self.smallest_side(scale)
            raise DataError(
                f"psnr/ssim: of images of {height} x {width} pixels nothing is left after the crop of protocol "
                f"{self.name} at scale {scale}; they must have at least {smallest} x {smallest}."
            )
        return Window(top=border, left=border, height=bottom - border, width=right - border)


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="y-crop",
            channel="y",
            border="scale",
            used_by=("SeG-SR", "HAT", "MFG-HMoE"),
            description="Y of YCbCr (BT.601), a border of the scale left out",
        ),
        Protocol(
            name="rgb-crop",
            channel="rgb-mean",
            border="scale",
            used_by=("TransENet", "HAUNet"),
            description="mean over R, G and B of each channel's own PSNR, a border of the scale left out",
        ),
        Protocol(
            name="rgb",
            channel="rgb",
            border=0,
            used_by=("users of torchmetrics",),
            description="RGB as one array, whole image",
        ),
        Protocol(
            name="y-full",
            channel="y",
            border=0,
            mod_crop=4,
            used_by=("TTST",),
            description="Y of YCbCr (BT.601), whole image after cutting it to a multiple of 4",
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """Look a protocol up by name.

    Raises:
        ConfigError: If there is none of this name; the nearest one is named.
    """
    if name not in PROTOCOLS:
        raise ConfigError(f"protocol {name!r} is not known{nearest_hint(name, PROTOCOLS)}")
    return PROTOCOLS[name]
