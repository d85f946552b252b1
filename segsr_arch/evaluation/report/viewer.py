"""What the before/after slider of one section needs: sides, images, their pictures, values and maps."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from basicsr.utils.matlab_functions import imresize

from segsr_arch.errors import DataError
from segsr_arch.evaluation.figures.choosing import is_bicubic
from segsr_arch.evaluation.report.painted_maps import ColourScale, read_shown_maps
from segsr_arch.evaluation.report.pictures import MAX_SIDE, Pictures, centre_part, to_display
from segsr_arch.evaluation.report.report_tables import short_title
from segsr_arch.evaluation.report.sections import Section
from segsr_arch.evaluation.sample_spread import read_spread, why_hidden
from segsr_arch.results.record import Column, EvaluationRecord, ImageRow
from segsr_arch.results.tables import typeset_number

LQ, BICUBIC, GT = "lq", "bicubic", "gt"
SPREAD = "spread-"
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Side:
    """What may be seen left or right of the divider: its identifier in the page, and what people read."""

    key: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """The slider of one section.

    Attributes:
        sides: What can be compared.
        left: Side that is shown left at first.
        right: Side that is shown right at first.
        images: For each image name, class, reasons, size, and keys of pictures and maps by side.
        pictures: ``data:`` addresses by key.
        total: Number of images of which these were chosen.
        scale: Colour scale of the maps, ``None`` if there are no maps.
        notes: What is missing or changed.
    """

    sides: tuple[Side, ...]
    left: str
    right: str
    images: tuple[dict[str, Any], ...]
    pictures: Mapping[str, str]
    total: int
    scale: ColourScale | None = None
    notes: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """What the page's script reads."""
        labels = {side.key: side.label for side in self.sides}
        return {"labels": labels, "images": self.images, "pictures": self.pictures}

    def index(self, name: str) -> int | None:
        """Number of an image in the page, ``None`` if it is not embedded."""
        return next((number for number, image in enumerate(self.images) if image["name"] == name), None)


@dataclass(kw_only=True)
class _Found:
    """One image while its pictures are collected."""

    rows: dict[str, ImageRow]
    pictures: dict[str, str] = field(default_factory=dict)
    maps: dict[str, np.ndarray] = field(default_factory=dict)
    spreads: dict[str, np.ndarray] = field(default_factory=dict)


def side_key(section: Section, method: str | None) -> str:
    """Identifier of a method's side, of the ground truth's for ``None``."""
    return GT if method is None else f"m{[record.method for record in section.records].index(method)}"


def _has_bicubic(section: Section) -> bool:
    return any(map(is_bicubic, section.records))


def _enlarged_size(section: Section, found: _Found, pictures: Pictures) -> tuple[int, int] | None:
    """Height and width of an image's SR images, by the LR image where none was saved; ``None`` if neither is there."""
    saved = [found.pictures[key] for key in found.rows if key in found.pictures]
    if saved:
        return pictures.full_sizes[saved[0]]
    if section.scale is None or LQ not in found.pictures:
        return None
    height, width = pictures.full_sizes[found.pictures[LQ]]
    return section.scale * height, section.scale * width


def _collect(section: Section, found: _Found, pictures: Pictures, shown_spreads: Collection[str]) -> None:
    """Read the pictures and maps of one image; spread maps of the methods with these keys alone."""
    rows, scale = found.rows.values(), section.pixel_scale
    for row in rows:
        if LQ not in found.pictures and (picture := pictures.add_file(row.lq, factor=1)):
            found.pictures[LQ] = picture
    for key, row in found.rows.items():
        if picture := pictures.add_file(row.sr, factor=scale):
            found.pictures[key] = picture
        if key in shown_spreads and row.spread is not None and row.spread.map is not None:
            try:
                found.spreads[key] = centre_part(read_spread(row.spread.map), scale=scale, factor=scale)
            except DataError as error:
                pictures.note_missing(str(error))
    size = _enlarged_size(section, found, pictures)
    for row in rows:
        if GT not in found.pictures and (picture := pictures.add_file(row.gt, factor=scale, within=size)):
            found.pictures[GT] = picture
    wants_lr = not _has_bicubic(section) or any(row.maps for row in rows)
    reference = next((row.lq for row in rows if row.lq is not None), None)
    if not wants_lr or LQ not in found.pictures or reference is None:
        return
    lq = pictures.read(reference)
    if lq is None:
        return
    if not _has_bicubic(section):
        part = to_display(centre_part(lq, scale=scale, factor=1)).astype(np.float32) / 255
        found.pictures[BICUBIC] = pictures.add(to_display(imresize(part, scale)))
    for key, row in found.rows.items():
        if row.maps is not None:
            try:
                found.maps[key] = read_shown_maps(row.maps, size=lq.shape[:2], scale=scale)
            except DataError as error:
                pictures.note_missing(str(error))


def _values(record: EvaluationRecord, row: ImageRow) -> str:
    """The values of one image in words."""
    return ", ".join(
        f"{short_title(column)} {typeset_number(row.values[column.name], column.decimals)}"
        f"{_spread_text(row, column)}{f' {column.unit}' if column.unit else ''}"
        for column in record.columns
        if column.name in row.values
    )


def _spread_text(row: ImageRow, column: Column) -> str:
    spread = row.spread.values.get(column.name) if row.spread else None
    return "" if spread is None else f" ± {typeset_number(spread, column.decimals)}"


def _paint_spreads(all_found: Iterable[_Found], pictures: Pictures) -> float:
    """Paint the spread maps of all images on one colour scale; returns its upper end, 0 if there are none."""
    all_found = list(all_found)
    largest = max((float(spread.max()) for found in all_found for spread in found.spreads.values()), default=0.0)
    scale = ColourScale(low=0.0, high=largest)
    for found in all_found:
        for key, spread in found.spreads.items():
            found.pictures[f"{SPREAD}{key}"] = pictures.add(scale.paint(spread))
    return largest


def _sides(section: Section, all_found: Mapping[str, _Found], largest_spread: float) -> tuple[Side, ...]:
    labels = {
        LQ: "LR (pixels enlarged)",
        BICUBIC: "bicubic (from the LR image)",
        **{
            f"m{number}": record.method + (f" (first of {record.samples} samples)" if record.samples > 1 else "")
            for number, record in enumerate(section.records)
        },
        **{
            f"{SPREAD}m{number}": f"{record.method}: spread of {record.samples} samples, dark 0, bright "
            f"{typeset_number(255 * largest_spread, 1)} of 255"
            for number, record in enumerate(section.records)
        },
        GT: "HR (ground truth)",
    }
    there = {key for found in all_found.values() for key in found.pictures}
    return tuple(Side(key=key, label=label) for key, label in labels.items() if key in there)


def _first_sides(section: Section, sides: Sequence[Side], best: str | None) -> tuple[str, str]:
    """Bicubic against the best method where both are there, else what comes close."""
    keys = [side.key for side in sides]
    bicubic = [BICUBIC, *(side_key(section, record.method) for record in section.records if is_bicubic(record))]
    simple = [key for key in keys if key in bicubic] + keys
    right = best if best in keys else keys[-1]
    left = next((key for key in simple if key != right), right)
    return left, right


def build_viewer(
    section: Section, names: Sequence[str], reasons: Mapping[str, Sequence[str]], *, best: str | None
) -> Viewer | None:
    """Read the pictures of the chosen images.

    Args:
        section: The methods.
        names: The chosen images.
        reasons: Why each was chosen, by name.
        best: The method that is shown on the right at first.

    Returns:
        The viewer; its notes name what could not be read. ``None`` if no image was chosen.
    """
    if not names:
        return None
    pictures = Pictures(scale=section.pixel_scale)
    by_name = [{row.name: row for row in record.images} for record in section.records]
    hidden = {f"m{number}": why_hidden(record) for number, record in enumerate(section.records) if record.samples > 1}
    shown_spreads = [key for key, reason in hidden.items() if reason is None]
    all_found = {}
    for name in names:
        rows = {f"m{number}": rows[name] for number, rows in enumerate(by_name) if name in rows}
        all_found[name] = _Found(rows=rows)
        _collect(section, all_found[name], pictures, shown_spreads)
    all_found = {name: found for name, found in all_found.items() if found.pictures}
    largest_spread = _paint_spreads(all_found.values(), pictures)
    notes = _notes(section, pictures, all_found, names)
    notes += tuple(
        f"{section.records[int(key[1:])].method}: the map of the spread of its samples is not shown, because {reason}."
        for key, reason in hidden.items()
        if reason is not None
    )
    sides = _sides(section, all_found, largest_spread)
    if not sides:
        return Viewer(sides=(), left="", right="", images=(), pictures={}, total=len(section.image_names), notes=notes)
    left, right = _first_sides(section, sides, best and side_key(section, best))
    every_map = [maps for found in all_found.values() for maps in found.maps.values()]
    scale = None
    if every_map:
        low, high = min(float(maps.min()) for maps in every_map), max(float(maps.max()) for maps in every_map)
        scale = ColourScale(low=low, high=high)
    images = []
    for name, found in all_found.items():
        height, width = pictures.size(found.pictures.get(key) for key in (GT, *found.rows, BICUBIC))
        if not height:
            height, width = (section.pixel_scale * length for length in pictures.size([found.pictures[LQ]]))
        maps = {key: [pictures.add(scale.paint(one)) for one in maps] for key, maps in found.maps.items()}
        values = {key: _values(section.records[int(key[1:])], row) for key, row in found.rows.items()}
        images.append(
            {
                "name": name,
                "class": next(iter(found.rows.values())).class_name,
                "reasons": list(reasons.get(name, ())),
                "height": height,
                "width": width,
                "pictures": found.pictures,
                "figures": values,
                "maps": maps,
            }
        )
    return Viewer(
        sides=sides,
        left=left,
        right=right,
        images=tuple(images),
        pictures=pictures.encoded,
        total=len(section.image_names),
        scale=scale,
        notes=notes,
    )


def _notes(
    section: Section, pictures: Pictures, all_found: Mapping[str, _Found], names: Sequence[str]
) -> tuple[str, ...]:
    notes = []
    for number, record in enumerate(section.records):
        unsaved = sum(1 for found in all_found.values() if (row := found.rows.get(f"m{number}")) and row.sr is None)
        if unsaved:
            notes.append(f"{record.method}: the SR images of {unsaved} of these images were not saved.")
    if len(all_found) < len(names):
        notes.append(f"{len(names) - len(all_found)} of the {len(names)} chosen images have no picture at all.")
    if pictures.missing:
        count = len(pictures.missing)
        named = "" if count <= _NAMED else f", the first {_NAMED} are named here"
        notes.append(f"Image and map files that cannot be shown: {count}{named}.")
        notes.extend(pictures.missing[:_NAMED])
    if pictures.cut:
        height, width = pictures.cut
        notes.append(
            f"Of images larger than {MAX_SIDE} pixels the middle is shown (the largest has {height} x {width})."
        )
    return tuple(notes)
