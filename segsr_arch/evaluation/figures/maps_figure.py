"""Guidance maps of all units, on one colour scale (SeG-SR, figure 7)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.figures.choosing import DEFAULT_COUNT, find_image
from segsr_arch.evaluation.figures.style import (
    LINE,
    WIDTH,
    add_box,
    add_lines,
    figure_style,
    names_of_random,
    new_figure,
    wrap,
)
from segsr_arch.evaluation.image_checks import check_images
from segsr_arch.evaluation.map_files import read_grid, read_maps
from segsr_arch.results.record import EvaluationRecord, ImageRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Even in lightness from dark to bright, made for colour-blind eyes (Nunez et al. 2018); prints in grey in order.
COLOUR_MAP = "cividis"
WHAT_MAPS_ARE = (
    "Guidance maps: cosine between each unit's embedding and the image's patches (SeG-SR, eq. 8), before it is "
    "standardised or scaled, if it is"
)
_OPACITY = 0.6
_MARGIN, _GAP, _BAR = 0.03, 0.06, 0.55
MOST_UNITS = 8  # in a row
_WIDEST = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class MappedImage:
    """One image with its maps.

    Attributes:
        name: Its name.
        lr: LR image (h, w, 3), uint8 RGB.
        sr: SR image (H, W, 3), uint8 RGB.
        maps: Cosines (k, H, W) float32, on the pixels of the SR image.
    """

    name: str
    lr: np.ndarray
    sr: np.ndarray
    maps: np.ndarray


def _missing(record: EvaluationRecord, row: ImageRow, what: str, remedy: str) -> DataError:
    return DataError(f"{record.method}: {what} of {row.name} is not recorded; {remedy}")


def load_maps(record: EvaluationRecord, *, name: str) -> MappedImage:
    """Read an image and its maps.

    Args:
        record: The evaluation of a guided network.
        name: Name of the image.

    Raises:
        ConfigError: If there is no such image.
        DataError: If its maps or images are not there, cannot be read, or have more than 8 bits.
    """
    row = {row.name: row for row in record.images}[find_image(name, [row.name for row in record.images])]
    if row.maps is None:
        remedy = "only networks with a semantic guide have maps, evaluated with segsr evaluate -opt"
        raise _missing(record, row, "the guidance", remedy)
    if row.sr is None:
        raise _missing(record, row, "the SR image", "evaluate again without --no-images.")
    if row.lq is None:
        raise _missing(record, row, "the LR image", "evaluate again with --lq.")
    try:
        images = check_images(sr=row.sr.read(), gt=None, lq=row.lq.read(), scale=record.scale)
    except DataError as error:
        raise DataError(f"{record.method}: {row.name} ({row.sr}): {error}") from error
    if images.sr.dtype != np.uint8:
        raise DataError(f"{record.method}: {row.name} ({row.sr}): has 16 bits; maps are drawn over images of 8 bits.")
    maps = read_maps(row.maps, size=images.sr.shape[:2], cells=1 / record.scale).numpy()
    lr, sr = (np.ascontiguousarray(image[..., ::-1]) for image in (images.lq, images.sr))
    return MappedImage(name=row.name, lr=lr, sr=sr, maps=maps)


def choose_mapped_images(record: EvaluationRecord) -> list[str]:
    """Find the two images whose maps vary most within the image (mean over units of the standard deviation).

    Raises:
        DataError: If no image has maps.
    """
    contrasts = {}
    for row in record.images:
        if row.maps is not None and row.sr is not None and row.lq is not None:
            maps, _ = read_grid(row.maps)  # of the whole image, which need not be read
            contrasts[row.name] = float(maps.flatten(1).std(dim=1).mean())
    if not contrasts:
        raise DataError(
            f"{record.method} on {record.dataset}: no image has guidance maps and an LR image on the disk. Only "
            f"networks whose guide has a localization (semantics: modules: sfem+slm+lmm) have maps, evaluated with "
            f"segsr evaluate -opt, their images kept; LR images that are made when they are read lie nowhere."
        )
    return sorted(contrasts, key=lambda name: (-contrasts[name], name))[:DEFAULT_COUNT]


def _overlay(image: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Lay colours (H, W, 3) in [0, 1] over the luma of an RGB image; viewers disagree on transparency in PDF."""
    luma = image @ np.array([0.299, 0.587, 0.114]) / 255
    return (1 - _OPACITY) * luma[..., None] + _OPACITY * colours


class _Grid:
    """Places pictures of one size in rows, from the top of a figure down."""

    def __init__(self, figure: "Figure", width: float) -> None:
        self.figure = figure
        self.width = width

    def show(self, column: int, top: float, height: float, image: np.ndarray, label: list[str], **options: Any) -> Any:
        left = _MARGIN + column * (self.width + _GAP)
        axes = add_box(self.figure, left, top, self.width, height)
        shown = axes.imshow(image, aspect="auto", **options)
        axes.set(xticks=[], yticks=[])
        add_lines(self.figure, left + self.width / 2, top + height + 0.03, label, ha="center")
        return axes, shown


def draw_maps(images: Sequence[MappedImage], *, caption: str, overlay: bool = True) -> "Figure":
    """Draw LR, SR and one map a unit for each image, all maps on one colour scale.

    Args:
        images: At least one, all with maps of the same number of units.
        caption: Text below.
        overlay: Draw each map a second time, over the SR image in grey; LR then stands above SR.

    Returns:
        A figure 7.16 inches wide, less with few units. The scale reaches from the least to the greatest cosine shown.

    Raises:
        ConfigError: If the images have different numbers of units.
        DependencyError: If matplotlib is missing.
    """
    counts = {len(image.maps) for image in images}
    if len(counts) > 1:
        raise ConfigError(f"Maps of different numbers of units cannot share a figure: {sorted(counts)}.")
    (units,) = counts
    first_columns = 1 if overlay else 2
    per_row = min(units, MOST_UNITS)
    columns = first_columns + per_row
    width = min((WIDTH - 2 * _MARGIN - _BAR) / columns - _GAP, _WIDEST)
    total_width = 2 * _MARGIN + columns * (width + _GAP) + _BAR
    low = min(float(image.maps.min()) for image in images)
    high = max(float(image.maps.max()) for image in images)
    high = max(high, low + 1e-6)  # a scale of one value cannot be drawn
    scale = {"cmap": COLOUR_MAP, "vmin": low, "vmax": high, "interpolation": "bilinear"}
    with figure_style():
        from matplotlib.ticker import MaxNLocator

        below = wrap(caption, total_width - 2 * _MARGIN)
        heights = [width * image.sr.shape[0] / image.sr.shape[1] for image in images]
        names = [wrap(image.name, total_width - 2 * _MARGIN) for image in images]
        labels = 3 * LINE + 3 * _GAP if overlay else 2 * LINE + 2 * _GAP
        rows = math.ceil(units / per_row)
        blocks = [
            len(name) * LINE + 0.04 + rows * ((2 if overlay else 1) * height + labels)
            for name, height in zip(names, heights, strict=True)
        ]
        figure = new_figure(2 * _MARGIN + sum(blocks) + len(below) * LINE, width=total_width)
        grid = _Grid(figure, width)
        top = _MARGIN
        for image, name, height, block in zip(images, names, heights, blocks, strict=True):
            add_lines(figure, _MARGIN, top, name, fontweight="bold")
            start = top + len(name) * LINE + 0.04
            second = height + 2 * LINE + _GAP  # from a map to the same over the image
            grid.show(0, start, height, image.lr, ["LR"], interpolation="nearest")
            place = (0, start + second) if overlay else (1, start)
            grid.show(*place, height, image.sr, ["SR"], interpolation="antialiased")
            for unit, cosines in enumerate(image.maps):
                row, column = divmod(unit, per_row)
                at, upper = first_columns + column, start + row * ((2 if overlay else 1) * height + labels)
                reach = f"{cosines.min():.2f} … {cosines.max():.2f}".replace("-", "−")
                _, shown = grid.show(at, upper, height, cosines, [f"unit {unit + 1}", reach], **scale)
                if overlay:
                    over = _overlay(image.sr, shown.to_rgba(cosines)[..., :3])
                    label = [f"unit {unit + 1}"]
                    grid.show(at, upper + second, height, over, label, interpolation="antialiased")
            top += block
        left = _MARGIN + columns * (width + _GAP)
        bar = add_box(figure, left, _MARGIN + len(names[0]) * LINE + 0.04, 0.1, heights[0])
        figure.colorbar(shown, cax=bar, ticks=MaxNLocator(5))
        bar.tick_params(width=0.5, length=2, pad=1.5)
        add_lines(figure, left, _MARGIN + (len(names[0]) - 1) * LINE, ["cosine"])
        add_lines(figure, _MARGIN, top, below)
    return figure


def show_maps(record: EvaluationRecord, *, images: Sequence[str] | None = None, overlay: bool = True) -> "Figure":
    """Draw the maps of some images of an evaluation.

    Args:
        record: The evaluation of a guided network.
        images: Names; ``None`` for the two whose maps vary most.
        overlay: As in :func:`draw_maps`.

    Returns:
        The figure.

    Raises:
        ConfigError: If an image is not known.
        DataError: If maps or images are not there, or cannot be read.
        DependencyError: If matplotlib is missing.
    """
    names = choose_mapped_images(record) if images is None else images
    loaded = [load_maps(record, name=name) for name in names]
    sentences = [
        f"{record.method}, {record.dataset}, ×{record.scale}.",
        f"{WHAT_MAPS_ARE}, resized bilinearly; below each its least and greatest value; one colour scale for all.",
    ]
    if images is None:
        sentences.append("Images: those whose maps vary most.")
    random = names_of_random([(record.method, record.provenance.get("vlm"))])
    if random:
        sentences.insert(0, f"{random} Its maps carry no semantic knowledge.")
    return draw_maps(loaded, caption=" ".join(sentences), overlay=overlay)
