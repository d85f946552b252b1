"""What a file says of the colours and the place of its image: ICC profiles and EXIF orientation."""

import io
from functools import lru_cache

from PIL import Image, ImageCms

_ORIENTATION = 0x0112


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

    Args:
        exif: The block, from the byte order mark or from ``Exif`` on.
    """
    found = Image.Exif()
    try:
        found.load(exif)
        orientation = found.get(_ORIENTATION, 1)
    except Exception:  # Pillow's parser raises whatever damaged bytes lead it to
        return 1
    return orientation if orientation in range(1, 9) else 1
