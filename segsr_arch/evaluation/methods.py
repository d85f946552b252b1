"""Evaluating one method: from the images that it has written, or by running it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from basicsr.utils import tensor2img
from torch import Tensor

from segsr_arch.errors import DataError, SaveError
from segsr_arch.evaluation.figures_of_merit import FiguresOfMerit
from segsr_arch.evaluation.image_checks import Images, check_images
from segsr_arch.evaluation.image_folders import Match, Matching
from segsr_arch.evaluation.measurement import Measurements, Sample, measure_samples
from segsr_arch.results.references import ImageReference


@dataclass(frozen=True, kw_only=True, eq=False)
class Item:
    """An image of a data set, before it is super-resolved.

    Attributes:
        name: Name without ending, with forward slashes.
        class_name: Its class, ``""`` if it has none.
        read: Reads what the method takes, the LR image and the ground truth. Images are (H, W, 3) BGR uint8; the last
            is ``None`` if there is none.
        lq: Where the LR image lies.
        gt: Where the ground truth lies.
    """

    name: str
    class_name: str
    read: Callable[[], tuple[Any, np.ndarray, np.ndarray | None]]
    lq: ImageReference | None = None
    gt: ImageReference | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Method:
    """A way to super-resolve.

    Attributes:
        name: Its name.
        super_resolve: From what :attr:`Item.read` gives first to the SR image (3, sH, sW), RGB in [0, 1]; may raise
            DataError.
        guidance: From the same to the guidance maps (k, Hc, Wc) float16; ``None`` without a guide.
        cells_per_pixel: Side of an LR pixel in cells of the maps.
    """

    name: str
    super_resolve: Callable[[Any], Tensor]
    guidance: Callable[[Any], np.ndarray] | None = None
    cells_per_pixel: float | None = None


def evaluate_images(
    matching: Matching, *, figures: FiguresOfMerit, scale: int | None, description: str
) -> Measurements:
    """Measure the images that a method has written.

    Args:
        matching: SR images with their partners.
        figures: What to compute.
        scale: Upscaling factor; ``None`` if it is not known.
        description: What the progress bar says.

    Returns:
        The measurements, with the problems of the matching first.
    """

    def load(match: Match) -> Images:
        gt, lq = (None if place is None else place.read() for place in (match.gt, match.lq))
        return check_images(sr=match.sr.read(), gt=gt, lq=lq, scale=scale)

    samples = (
        Sample(
            name=match.name,
            class_name=match.class_name,
            load=lambda match=match: load(match),
            sr=match.sr,
            gt=match.gt,
            lq=match.lq,
        )
        for match in matching.matches
    )
    return measure_samples(samples, total=len(matching.matches), figures=figures, description=description)


def evaluate_method(
    method: Method,
    items: Iterable[Item],
    *,
    total: int,
    figures: FiguresOfMerit,
    scale: int,
    folder: Path,
    save_images: bool = True,
    description: str,
) -> Measurements:
    """Super-resolve the images of a data set and measure them.

    Args:
        method: What super-resolves.
        items: The images.
        total: How many there are.
        figures: What to compute.
        scale: Upscaling factor.
        folder: Where ``sr/<name>.png`` and ``maps/<name>.npz`` are written.
        save_images: Whether SR images are written; guidance maps, which are small, always are.
        description: What the progress bar says.

    Returns:
        The measurements. An image that does not decode, or that the method fails on, does not stop the others.

    Raises:
        SaveError: If an image cannot be written.
    """
    samples = _run(method, items, scale=scale, folder=folder, save_images=save_images)
    return measure_samples(samples, total=total, figures=figures, description=description)


def _run(method: Method, items: Iterable[Item], *, scale: int, folder: Path, save_images: bool) -> Iterator[Sample]:
    for item in items:
        try:
            given, lq, gt = item.read()
            sr = tensor2img(method.super_resolve(given))  # the image that basicsr test would write
        except DataError as error:
            yield Sample(name=item.name, class_name=item.class_name, load=_raising(error))
            continue
        sr_place = maps_place = None
        if save_images:
            sr_place = ImageReference(path=str(_save_png(folder / "sr" / f"{item.name}.png", sr)))
        if method.guidance is not None:
            path = folder / "maps" / f"{item.name}.npz"
            maps_place = ImageReference(path=str(_save_maps(path, method.guidance(given), method.cells_per_pixel)))
        yield Sample(
            name=item.name,
            class_name=item.class_name,
            load=lambda sr=sr, gt=gt, lq=lq: check_images(sr=sr, gt=gt, lq=lq, scale=scale),
            sr=sr_place,
            gt=item.gt,
            lq=item.lq,
            maps=maps_place,
        )


def _raising(error: DataError) -> Callable[[], Images]:
    def load() -> Images:
        raise error

    return load


def _save_png(path: Path, image: np.ndarray) -> Path:
    _, encoded = cv2.imencode(".png", image)
    return _save(path, lambda: path.write_bytes(encoded.tobytes()))


def _save_maps(path: Path, maps: np.ndarray, cells_per_pixel: float | None) -> Path:
    return _save(path, lambda: np.savez(path, maps=maps, cells_per_pixel=cells_per_pixel))


def _save(path: Path, write: Callable[[], object]) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write()
    except OSError as error:
        raise SaveError(f"{path}: cannot be written ({error.strerror}); make room or choose another --out.") from error
    return path
