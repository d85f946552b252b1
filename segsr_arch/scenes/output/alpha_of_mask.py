"""The mask of a raster as a band that is alpha, for formats that have no place for masks."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio.shutil
from rasterio.io import MemoryFile

_MASK = re.compile(r"<MaskBand>\s*<VRTRasterBand dataType=\"Byte\">(.*?)</VRTRasterBand>\s*</MaskBand>", re.DOTALL)
_OPAQUE_IN_MASKS = 255


@contextlib.contextmanager
def with_alpha(path: Path, *, count: int, dtype: str) -> Iterator[str]:
    """Describe a raster whose last band is the mask of another one; nothing is copied.

    Args:
        path: The other raster.
        count: Its bands.
        dtype: Type of its values, whole numbers: alpha is 0, or their highest.

    Yields:
        What GDAL opens as that raster, within the block.

    Raises:
        RasterioError: If the raster cannot be read.
    """
    kind = {"uint8": "Byte", "uint16": "UInt16"}[dtype]
    factor = np.iinfo(dtype).max // _OPAQUE_IN_MASKS
    with MemoryFile(ext=".vrt") as plain, MemoryFile(ext=".vrt") as changed:
        rasterio.shutil.copy(path, plain.name, driver="VRT")
        text = plain.read().decode()

        def as_band(found: re.Match[str]) -> str:
            source = found[1].replace("SimpleSource>", "ComplexSource>")
            source = source.replace("</ComplexSource>", f"<ScaleRatio>{factor}</ScaleRatio></ComplexSource>")
            head = f'<VRTRasterBand dataType="{kind}" band="{count + 1}"><ColorInterp>Alpha</ColorInterp>'
            return f"{head}{source}</VRTRasterBand>"

        changed.write(_MASK.sub(as_band, text).encode())
        yield changed.name
