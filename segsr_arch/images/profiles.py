"""What a file says of the colours and the place of its image: ICC profiles and EXIF orientation."""

import io
import struct
from functools import lru_cache

from PIL import ImageCms

_ORIENTATION, _SHORT = 0x0112, 3


@lru_cache(maxsize=64)  # the images of one camera share one profile
def foreign_profile(profile: bytes) -> str | None:
    """Name an embedded ICC profile, unless it is sRGB.

    Args:
        profile: Its bytes.

    Returns:
        Its description; ``None`` for sRGB.
    """
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except (OSError, ImageCms.PyCMSError):
        return "a profile that cannot be read"
    return None if "srgb" in name.lower() else name or "a profile without a name"


def exif_orientation(exif: bytes) -> int:
    """Read the orientation from an EXIF block; 1, upright, if it has none or is damaged.

    Pillow's parser does as well, but prints warnings of damaged ones.

    Args:
        exif: The block, from the byte order mark or from ``Exif`` on.
    """
    block = memoryview(exif)[6 if exif.startswith(b"Exif\0\0") else 0 :]
    order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, start)
        for position in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, position)
            if tag == _ORIENTATION and kind == _SHORT and value in range(1, 9):
                return int(value)
    except struct.error:  # it points behind its end
        pass
    return 1
