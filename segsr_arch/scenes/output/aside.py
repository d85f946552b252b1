"""The file beside a raster in which GDAL keeps what the raster's format has no place for."""

import re
from pathlib import Path
from xml.etree import ElementTree

from segsr_arch.files.text_files import write_text
from segsr_arch.scenes.output.metadata import SceneMetadata
from segsr_arch.scenes.output.raster_spec import ASIDE

_LEFT_OUT = re.compile(r'<Metadata domain="(IMAGE_STRUCTURE|xml:XMP)".*?</Metadata>', re.DOTALL)


def aside_of(raster: Path) -> Path:
    """Name that file."""
    return raster.with_name(f"{raster.name}{ASIDE}")


def write_aside(raster: Path, said: SceneMetadata, *, like: Path) -> Path | None:
    """Write it, if there is anything to be written, such as nodata values that differ from band to band.

    Args:
        raster: The raster beside which it is to lie.
        said: What the raster says about its pixels.
        like: The raster beside which GDAL has written it already, if it had something to write. How the source of the
            raster was stored is left out, and XMP, which need not be such XML as others can read.

    Returns:
        The file; ``None`` if there is none.

    Raises:
        SaveError: If it cannot be written.
    """
    path, found = aside_of(raster), aside_of(like)
    text = _LEFT_OUT.sub("", found.read_text("utf-8")) if found.exists() else "<PAMDataset/>"
    root = ElementTree.fromstring(text)
    if said.nodata_differs:
        for number, nodata in enumerate(said.nodata, 1):
            if nodata is not None:
                band = root.find(f"PAMRasterBand[@band='{number}']")
                if band is None:
                    band = ElementTree.SubElement(root, "PAMRasterBand", band=str(number))
                ElementTree.SubElement(band, "NoDataValue").text = f"{nodata:.17g}"
    if not len(root):
        path.unlink(missing_ok=True)
        return None
    ElementTree.indent(root)
    write_text(path, ElementTree.tostring(root, encoding="unicode") + "\n")
    return path
