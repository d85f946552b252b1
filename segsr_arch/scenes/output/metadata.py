"""What a raster says about its pixels: where they lie, what they mean, what its bands are called.

None of it changes when a raster is enlarged, but for what counts in pixels.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.rpc import RPC

from segsr_arch.windows import Window

Tags: TypeAlias = Mapping[str, Mapping[str, str]]
"""Tags by name space, ``""`` the usual one."""

XMP = "xml:XMP"
"""Name space of a document that cameras and programs write; it is a tag of TIFF, not of GDAL."""

# How the file stores its pixels, what is kept as something else, and what counts in the pixels of a file of its own.
_STRUCTURAL = {
    "IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "COLOR_PROFILE", "rio_creation_kwds", "RPC", "GEOLOCATION",
    "IMD",
}  # fmt: skip
# A colour that is no data: other pixels may get it, and which ones are meant is in the mask.
_COLOUR_KEY = "NODATA_VALUES"
_POINT_OR_AREA = "AREA_OR_POINT"
# What was computed from the pixels that are replaced.
_COMPUTED = ("STATISTICS_", "OVR_RESAMPLING_ALG", _COLOUR_KEY)


@dataclass(frozen=True, kw_only=True)
class BandMetadata:
    """What a raster says about one band.

    Attributes:
        description: Its name; ``None`` without one.
        tags: Its tags.
        colour: What it is shown as.
        scale: Factor from stored to physical values.
        offset: Physical value of a stored 0.
        unit: Unit of the physical values; ``None`` without one.
        nodata: Stored value of pixels that are none; ``None`` without one.
    """

    description: str | None = None
    tags: Tags = field(default_factory=dict)
    colour: ColorInterp = ColorInterp.undefined
    scale: float = 1.0
    offset: float = 0.0
    unit: str | None = None
    nodata: float | None = None


@dataclass(frozen=True, kw_only=True)
class SceneMetadata:
    """What a raster says about its pixels.

    Attributes:
        crs: Coordinate reference system; ``None`` without one.
        transform: From columns and rows, counted from the upper left corner, to coordinates; ``None`` without one. GDAL
            does not tell the identity from none: it is one where a coordinate reference system has nothing else.
        gcps: Ground control points; none where there is a transform.
        gcps_crs: Coordinate reference system of the points.
        rpcs: Rational polynomial coefficients of the sensor; ``None`` without them.
        tags: Tags of the raster.
        bands: What it says about each of its bands.
        has_mask: Whether it has a mask for all bands that is neither alpha nor comes from a nodata value.
        premultiplied: Whether alpha, if there is any, is multiplied into the other bands.
        single_masks: Whether some of its bands have masks of their own, for which GeoTIFF has no place.
    """

    crs: CRS | None = None
    transform: Affine | None = None
    gcps: tuple[GroundControlPoint, ...] = ()
    gcps_crs: CRS | None = None
    rpcs: RPC | None = None
    tags: Tags = field(default_factory=dict)
    bands: tuple[BandMetadata, ...]
    has_mask: bool = False
    premultiplied: bool = False
    single_masks: bool = False

    @property
    def is_rgb(self) -> bool:
        """Whether the first three bands are shown as red, green and blue."""
        return self.colours[:3] == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)

    @property
    def alpha(self) -> int | None:
        """Position of the band that is alpha, from 0; ``None`` without one."""
        return self.colours.index(ColorInterp.alpha) if ColorInterp.alpha in self.colours else None

    @property
    def xmp(self) -> str | None:
        """The document of XMP; ``None`` without one."""
        return self.tags.get(XMP, {}).get(XMP)

    @property
    def colours(self) -> tuple[ColorInterp, ...]:
        """What the bands are shown as."""
        return tuple(band.colour for band in self.bands)

    @property
    def nodata(self) -> tuple[float | None, ...]:
        """The nodata value of each band."""
        return tuple(band.nodata for band in self.bands)

    @property
    def nodata_differs(self) -> bool:
        """Whether the bands have different nodata values, for which GeoTIFF has no place."""
        return len({repr(value) for value in self.nodata}) > 1  # NaN is not equal to itself

    @property
    def _tags_beside_points(self) -> Tags:
        """The tags but for one by which GDAL would move ground control points when it writes and when it reads them."""
        return {**self.tags, "": {key: value for key, value in self.tags.get("", {}).items() if key != _POINT_OR_AREA}}

    def within(self, region: Window) -> "SceneMetadata":
        """What holds for a part of the raster."""
        columns, rows = region.left, region.top
        return dataclasses.replace(
            self,
            transform=self.transform and self.transform @ Affine.translation(columns, rows),
            gcps=tuple(_moved(point, point.row - rows, point.col - columns) for point in self.gcps),
            rpcs=self.rpcs and _with_lines(self.rpcs, self.rpcs.line_off - rows, self.rpcs.samp_off - columns, 1),
        )

    def scaled(self, scale: int) -> "SceneMetadata":
        """What holds for the raster enlarged, pixels becoming ``scale`` x ``scale`` smaller ones at the same place.

        Rows and columns of a transform and of ground control points count from the corner of the first pixel; those of
        rational polynomial coefficients from its centre.

        Args:
            scale: How many times as many rows and columns it has.
        """
        transform, rpcs = self.transform, self.rpcs
        if transform is not None:
            a, b, c, d, e, f = transform[:6]
            transform = Affine(a / scale, b / scale, c, d / scale, e / scale, f)
        if rpcs is not None:
            line, sample = ((offset + 0.5) * scale - 0.5 for offset in (rpcs.line_off, rpcs.samp_off))
            rpcs = _with_lines(rpcs, line, sample, scale)
        return dataclasses.replace(
            self,
            transform=transform,
            gcps=tuple(_moved(point, point.row * scale, point.col * scale) for point in self.gcps),
            rpcs=rpcs,
        )

    def apply_to(self, dataset: DatasetWriter) -> None:
        """Write it to a raster that is open for writing, but for the mask, XMP, and nodata values that differ.

        Args:
            dataset: A raster of as many bands; changed.
        """
        dataset.colorinterp = self.colours
        if self.transform is not None:
            dataset.transform = self.transform
        if self.crs is not None:
            dataset.crs = self.crs
        if self.gcps:
            dataset.gcps = (list(self.gcps), self.gcps_crs)
        if self.rpcs is not None:
            dataset.rpcs = self.rpcs
        _update_tags(dataset, 0, self._tags_beside_points if self.gcps else self.tags)
        for index, band in enumerate(self.bands, 1):
            if band.description:
                dataset.set_band_description(index, band.description)
            _update_tags(dataset, index, band.tags)
        if any(band.scale != 1 for band in self.bands):
            dataset.scales = tuple(band.scale for band in self.bands)
        if any(band.offset != 0 for band in self.bands):
            dataset.offsets = tuple(band.offset for band in self.bands)
        if any(band.unit for band in self.bands):
            dataset.units = tuple(band.unit or "" for band in self.bands)
        if not self.nodata_differs and self.nodata[0] is not None:
            dataset.nodata = self.nodata[0]


def read_metadata(dataset: DatasetReader, *, region: Window, bands: Sequence[int]) -> SceneMetadata:
    """Read what a raster says about a part of it.

    Args:
        dataset: The raster.
        region: The part, in its pixels.
        bands: The bands that are kept, from 1.
    """
    points, points_crs = dataset.gcps
    is_placed_otherwise = points or dataset.rpcs is not None or dataset.crs is None
    has_transform = dataset.transform != Affine.identity() or not is_placed_otherwise
    metadata = SceneMetadata(
        crs=dataset.crs,
        transform=dataset.transform if has_transform else None,
        gcps=() if has_transform else tuple(points),
        gcps_crs=None if has_transform else points_crs,
        rpcs=dataset.rpcs,
        tags=_tags(dataset, 0),
        bands=tuple(_band(dataset, index) for index in bands),
        has_mask=all(_is_masked(dataset.mask_flag_enums[index - 1]) for index in bands),
        premultiplied="1" in (dataset.get_tag_item("TIFFTAG_EXTRASAMPLES", "_DEBUG_", 0) or "").split(","),
        single_masks=any(not dataset.mask_flag_enums[index - 1] for index in bands),
    )
    return metadata.within(region)


def _is_masked(flags: Iterable[MaskFlags]) -> bool:
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def _band(dataset: DatasetReader, index: int) -> BandMetadata:
    flags = dataset.mask_flag_enums[index - 1]
    return BandMetadata(
        description=dataset.descriptions[index - 1],
        tags=_tags(dataset, index),
        colour=dataset.colorinterp[index - 1],
        scale=dataset.scales[index - 1],
        offset=dataset.offsets[index - 1],
        unit=dataset.units[index - 1],
        nodata=None if MaskFlags.nodata in flags and _is_masked(flags) else dataset.nodatavals[index - 1],
    )


def _tags(dataset: DatasetReader, index: int) -> dict[str, dict[str, str]]:
    spaces = ("", *(space for space in dataset.tag_namespaces(index) if space and _is_kept(space)))
    found = {}
    for space in spaces:
        tags = dataset.tags(index, ns=space or None)
        if kept := {key: value for key, value in tags.items() if not key.startswith(_COMPUTED)}:
            found[space] = kept
    return found


def _is_kept(space: str) -> bool:
    # Whole documents are no tags; those of JPEG 2000 say where the source lies.
    return space == XMP or not space.startswith(("xml:", "json:")) and space not in _STRUCTURAL


def _update_tags(dataset: DatasetWriter, index: int, tags: Tags) -> None:
    for space, items in tags.items():
        if space != XMP:
            # GDAL takes keys for the same whose letters are; these two are arguments of rasterio.
            named = {key.upper() if key in ("ns", "bidx") else key: value for key, value in items.items()}
            dataset.update_tags(index, ns=space or None, **named)


def _moved(point: GroundControlPoint, row: float, column: float) -> GroundControlPoint:
    return GroundControlPoint(row=row, col=column, x=point.x, y=point.y, z=point.z, id=point.id, info=point.info)


def _with_lines(rpcs: RPC, line: float, sample: float, scale: int) -> RPC:
    """The same coefficients for other rows (lines) and columns (samples)."""
    changed: dict[str, Any] = {
        "line_off": line,
        "samp_off": sample,
        "line_scale": rpcs.line_scale * scale,
        "samp_scale": rpcs.samp_scale * scale,
    }
    kept = {name: value for name, value in rpcs.to_dict().items() if name not in changed}
    return RPC(**kept, **changed)
