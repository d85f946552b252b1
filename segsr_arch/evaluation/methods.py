"""The images of one method: those that it has written, or those that it computes now."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from basicsr.utils import tensor2img
from torch import Tensor

from segsr_arch.errors import DataError, NotEnoughMemoryError, SaveError, SegsrError
from segsr_arch.evaluation.image_checks import Images, check_images
from segsr_arch.evaluation.image_folders import Matching
from segsr_arch.evaluation.measurement import Sample
from segsr_arch.evaluation.sample_spread import RunningSpread, write_spread
from segsr_arch.results.record import ImageRow
from segsr_arch.results.references import ImageReference


@dataclass(frozen=True, kw_only=True, eq=False)
class Item:
    """An image of a data set, before it is super-resolved.

    Attributes:
        row: Its name and class, and where its LR image and ground truth lie.
        read: Reads what the method takes, the LR image and the ground truth. Images are (H, W, 3) BGR uint8; the last
            is ``None`` if there is none.
    """

    row: ImageRow
    read: Callable[[], tuple[Any, np.ndarray, np.ndarray | None]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Method:
    """A way to super-resolve.

    Attributes:
        name: Its name.
        super_resolve: From what :attr:`Item.read` gives first to the SR image (3, sH, sW), RGB in [0, 1]; may raise
            DataError.
        guidance: From the same to the guidance maps (k, Hc, Wc) float16; ``None`` without a guide.
        cells_per_pixel: Side of an LR pixel in cells of the maps.
        samples: For a network that samples, one function a sample, like ``super_resolve``, which they replace.
    """

    name: str
    super_resolve: Callable[[Any], Tensor]
    guidance: Callable[[Any], np.ndarray | None] | None = None
    cells_per_pixel: float | None = None
    samples: Sequence[Callable[[Any], Tensor]] = ()


def written_samples(matching: Matching, *, scale: int | None) -> Iterator[Sample]:
    """Give the images that a method has written, with their partners; ``scale`` is ``None`` if it is not known."""

    def load(row: ImageRow) -> Images:
        sr, gt, lq = (None if place is None else place.read() for place in (row.sr, row.gt, row.lq))
        return check_images(sr=sr, gt=gt, lq=lq, scale=scale)

    for row in matching.matches:
        yield Sample(row=row, load=partial(load, row))


def computed_samples(
    method: Method, items: Iterable[Item], folder: Path, *, scale: int, save_images: bool = True
) -> Iterator[Sample]:
    """Super-resolve the images of a data set.

    Args:
        method: What super-resolves.
        items: The images.
        folder: Where ``sr/<name>.png``, of the first of several samples, ``maps/<name>.npz`` and, for several samples,
            ``spread/<name>.npz`` are written.
        scale: Upscaling factor.
        save_images: Whether SR images and spread maps are written; guidance maps, which are small, always are.

    Yields:
        The images; one that does not decode, or that the method fails on, raises when it is loaded.

    Raises:
        SaveError: If an image cannot be written.
    """
    for item in items:
        row = item.row
        try:
            given, lq, gt = item.read()
            images, running = [], RunningSpread()
            for draw in method.samples or (method.super_resolve,):
                drawn = draw(given)
                images.append(tensor2img(drawn))  # what basicsr test would write
                if method.samples:
                    running.add(drawn.numpy())
                del drawn  # before the next is drawn
            sr = images[0]
            if method.samples:
                spread, told = running.against(check_images(sr=sr, gt=gt, lq=lq, scale=scale).gt)
        except (DataError, NotEnoughMemoryError) as error:
            yield Sample(row=row, load=_raising(error))
            continue
        if save_images:
            row = replace(row, sr=ImageReference(path=str(_save_png(folder / "sr" / f"{row.name}.png", sr))))
        if method.samples:
            if save_images:
                place = folder / "spread" / f"{row.name}.npz"
                write_spread(place, spread)
                told = replace(told, map=ImageReference(path=str(place)))
            row = replace(row, spread=told)
        if method.guidance is not None:
            path = folder / "maps" / f"{row.name}.npz"
            maps = _save_maps(path, method.guidance(given), method.cells_per_pixel)
            row = replace(row, maps=ImageReference(path=str(maps)))
        load, *others = (partial(check_images, sr=each, gt=gt, lq=lq, scale=scale) for each in images)
        yield Sample(row=row, load=load, others=tuple(others))


def _raising(error: SegsrError) -> Callable[[], Images]:
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
