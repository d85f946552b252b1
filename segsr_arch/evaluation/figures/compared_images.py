"""What a comparison shows of one image: the images of all methods, their figures, and the region that is enlarged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.figures.choosing import contenders, is_bicubic
from segsr_arch.evaluation.figures.regions import Region, find_region
from segsr_arch.evaluation.image_checks import Images, check_images
from segsr_arch.metrics.images import data_range
from segsr_arch.metrics.measures.fidelity import measure_fidelity
from segsr_arch.metrics.protocols import PROTOCOLS
from segsr_arch.results.record import Column, EvaluationRecord, ImageRow

BICUBIC = "Bicubic"


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """One picture of a comparison.

    Attributes:
        label: Name of the method, ``LR``, ``Bicubic`` or ``HR``.
        image: (h, w, 3) uint8 RGB, the whole image at its own resolution.
        values: Its figures as they are printed; none for LR and HR.
        best: For each figure, whether no other method has a better one.
    """

    label: str
    image: np.ndarray
    values: tuple[str, ...] = ()
    best: tuple[bool, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparedImage:
    """One image by all methods.

    Attributes:
        name: Its name.
        panels: LR and bicubic (if the LR image is known), the methods, HR last.
        region: What is enlarged, in HR pixels.
        notes: Sentences for the caption.
    """

    name: str
    panels: tuple[Panel, ...]
    region: Region
    notes: tuple[str, ...] = ()

    @property
    def hr(self) -> np.ndarray:
        """The ground truth (H, W, 3), uint8 RGB."""
        return self.panels[-1].image


def bicubic(lq: np.ndarray, scale: int) -> np.ndarray:
    """Enlarge an image as the baseline of this field's tables does (MATLAB's bicubic), rounded to its own depth.

    Args:
        lq: (h, w, 3), uint8 or uint16.
        scale: Whole scale.

    Returns:
        (scale * h, scale * w, 3) of the same type.
    """
    from basicsr.utils.matlab_functions import imresize

    largest = data_range(lq)
    enlarged = imresize(lq.astype(np.float32) / largest, scale)
    return np.rint(enlarged.astype(np.float64) * largest).clip(0, largest).astype(lq.dtype)


def _row(record: EvaluationRecord, name: str) -> ImageRow:
    for row in record.images:
        if row.name == name:
            return row
    raise ConfigError(f"--image {name}: {record.method} was not evaluated on it.")


def _read(record: EvaluationRecord, row: ImageRow) -> Images:
    if row.sr is None:
        raise DataError(
            f"{record.method}: the SR image of {row.name} was not kept; evaluate again without --no-images."
        )
    if row.gt is None:
        raise DataError(f"{record.method}: {row.name} has no ground truth; a comparison needs it, evaluate with --gt.")
    gt, lq = row.gt.read(), None if row.lq is None else row.lq.read()
    try:
        return check_images(sr=row.sr.read(), gt=gt, lq=lq, scale=record.scale)
    except DataError as error:
        raise DataError(f"{record.method}: {row.name} ({row.sr}): {error}") from error


def _same_truth(images: dict[str, Images], name: str) -> None:
    first, *others = images
    for other in others:
        a, b = images[first].gt, images[other].gt
        if a.dtype != b.dtype or not np.array_equal(a, b):
            raise DataError(
                f"{name}: {first} and {other} were evaluated against different ground truths ({_what(a)} and {_what(b)}"
                f"{', other pixels' if a.shape == b.shape else ''}); evaluate both against the same."
            )


def _what(image: np.ndarray) -> str:
    return f"{image.shape[0]} x {image.shape[1]} of {8 * image.dtype.itemsize} bits"


def _measure_bicubic(image: np.ndarray, gt: np.ndarray, columns: Sequence[Column], scale: int) -> list[float | None]:
    """Figures of the enlarged LR image, where they are PSNR or SSIM by a known protocol and need no evaluation."""
    known = {
        column.protocol for column in columns if column.metric in ("psnr", "ssim") and column.protocol in PROTOCOLS
    }
    measured = measure_fidelity(image, gt, scale=scale, protocols=sorted(known)) if known else {}
    return [
        getattr(measured[column.protocol], column.metric)
        if column.metric in ("psnr", "ssim") and column.protocol in measured
        else None
        for column in columns
    ]


def _print_values(
    values: dict[str, list[float | None]], columns: Sequence[Column]
) -> dict[str, tuple[tuple[str, ...], tuple[bool, ...]]]:
    """Figures of each method as text, and which are the best."""
    texts = {
        label: tuple(
            "–" if value is None else f"{value:.{column.decimals}f}" for value, column in zip(row, columns, strict=True)
        )
        for label, row in values.items()
    }
    best = []
    for i, column in enumerate(columns):
        known = [row[i] for row in values.values() if row[i] is not None]
        best.append((max if column.better == "higher" else min)(known, default=None))
    return {
        label: (texts[label], tuple(value is not None and value == top for value, top in zip(row, best, strict=True)))
        for label, row in values.items()
    }


def load_comparison(
    records: Sequence[EvaluationRecord], *, name: str, columns: Sequence[Column], region: Region | None = None
) -> ComparedImage:
    """Read what is shown of one image.

    Images of 16 bits are shown with their ground truth's least and greatest value as black and white.

    Args:
        records: The methods, in the order of the panels; all of one scale and data set.
        name: Name of the image.
        columns: The figures below each picture.
        region: What is enlarged; ``None`` for where methods differ most, see :func:`find_region` (bicubic counts only
            if there are not two other methods).

    Returns:
        The images, figures and the region.

    Raises:
        ConfigError: If a method was not evaluated on the image, or the region does not lie in it.
        DataError: If an image is not there, or the images do not fit together.
    """
    scale = records[0].scale
    rows = {record.method: _row(record, name) for record in records}
    images = {record.method: _read(record, rows[record.method]) for record in records}
    _same_truth(images, name)
    gt = next(iter(images.values())).gt
    values = {method: [row.values.get(column.name) for column in columns] for method, row in rows.items()}
    pictures = {method: each.sr for method, each in images.items()}
    lq = next((each.lq for each in images.values() if each.lq is not None), None)
    simple = [record.method for record in records if is_bicubic(record)]
    notes = []
    if lq is None:
        notes.append(f"{name}: no LR image is recorded, so LR and bicubic are left out.")
    elif not simple:
        enlarged = bicubic(lq, scale)
        pictures = {BICUBIC: enlarged, **pictures}
        values = {BICUBIC: _measure_bicubic(enlarged, gt, columns, scale), **values}
    if region is None:
        judged = contenders(list(pictures), simple=simple or [BICUBIC])
        region = find_region(gt, [pictures[label] for label in judged], scale=scale or 1)
    region.check(gt.shape, name)
    low, high = (0, 255) if gt.dtype == np.uint8 else (int(gt.min()), max(int(gt.max()), int(gt.min()) + 1))
    if gt.dtype != np.uint8:
        notes.append(f"{name}: 16 bits, {low} is black and {high} white.")

    def shown(image: np.ndarray) -> np.ndarray:
        if image.dtype != np.uint8:
            image = np.rint((image.astype(np.float64) - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)
        return np.ascontiguousarray(image[..., ::-1])

    printed = _print_values(values, columns)
    panels = [
        Panel(label=label, image=shown(image), values=printed[label][0], best=printed[label][1])
        for label, image in pictures.items()
    ]
    if lq is not None:
        panels.insert(0, Panel(label="LR", image=shown(lq)))
    panels.append(Panel(label="HR", image=shown(gt)))
    return ComparedImage(name=name, panels=tuple(panels), region=region, notes=tuple(notes))
