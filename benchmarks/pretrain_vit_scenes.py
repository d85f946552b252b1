"""What ``pretrain_vit.py`` trains on: scenes with their classes, batches of different classes, and crops."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import ColorJitter

from segsr_arch.errors import DataError
from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.reading import read_rgb
from segsr_arch.preparation.splits import SPLITS
from segsr_arch.preparation.worker import digest_pixels
from segsr_arch.results.classes import class_of
from segsr_arch.sources.name_lists import read_split_list

_KEYS = ("name", "listed", "sha256")  # by which an image is known
_JITTER = ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A prepared image.

    Attributes:
        name: Its name in the prepared folders.
        label: Its class.
        pixels: ``LR`` and, where needed, ``HR``: (H, W, 3) uint8 RGB.
    """

    name: str
    label: str
    pixels: Mapping[str, np.ndarray]


def read_manifest(root: Path, held_out: Sequence[Path] = ()) -> dict:
    """Read the manifest of a prepared data set, and make sure that no training image is in another split as well.

    Args:
        root: The data set's folder.
        held_out: Further lists of images that must not be trained on.

    Returns:
        The content of ``manifest.json``.

    Raises:
        DataError: If there is none, a list cannot be read, or a training image is in another split, by its name, its
            pixels or a list.
    """
    path = root / "manifest.json"
    elsewhere: dict[str, str] = {}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        training = [image for image in manifest["images"] if image["split"] == "train"]
        for image in manifest["images"]:
            if image["split"] != "train":
                elsewhere |= {image[key]: f"{path} as {image['split']} ({image['listed']})" for key in _KEYS}
        known = [tuple(image[key] for key in _KEYS) for image in training]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: cannot be read as a manifest ({error!r}); prepare the data with segsr prepare"
        ) from error
    lists = [root / "splits" / f"{split}.txt" for split in SPLITS if split != "train"]
    for file in [*(file for file in lists if file.is_file() and file.stat().st_size), *held_out]:
        elsewhere |= {name: str(file) for name in read_split_list(file)}
    for keys in known:
        for key in keys:
            if key in elsewhere:
                raise DataError(
                    f"{path}: {keys[1]} is a training image, but it is in {elsewhere[key]}, too. What is trained on "
                    f"must not be measured: prepare the data with other splits"
                )
    return manifest


def read_scenes(root: Path, manifest: Mapping, *, split: str, scale: int, sides: Sequence[str]) -> list[Scene]:
    """Read the images of a split.

    Args:
        root: The data set's folder.
        manifest: As :func:`read_manifest` gives it.
        split: ``train`` or ``val``.
        scale: Of the LR images.
        sides: ``LR``, ``HR`` or both.

    Returns:
        The images in the order of the manifest, those too small for the scale left out as there.

    Raises:
        DataError: If there is none, one has other pixels than the manifest says, or has no class.
    """
    scenes = []
    for image in manifest["images"]:
        if image["split"] != split or f"x{scale}" not in image["outputs"]:
            continue
        pixels = {}
        for side in sides:
            path = root / split / f"{side}_x{scale}" / f"{image['name']}.png"
            try:
                rgb, _ = read_rgb(path.read_bytes())
            except (OSError, ImageReadError):
                rgb = None
            if rgb is None or digest_pixels(rgb) != image["outputs"][f"x{scale}"][side]["sha256"]:
                raise DataError(f"{path}: is missing, or not the image that manifest.json describes; prepare it again")
            pixels[side] = rgb
        label = class_of(image["listed"])
        if not label:
            raise DataError(f"{path}: {image['listed']} has no class, neither by a folder nor by letters and a number")
        scenes.append(Scene(name=image["name"], label=label, pixels=pixels))
    if not scenes:
        raise DataError(f"{root}: has no {split} image at x{scale}; prepare it with segsr prepare ... --scale {scale}")
    return scenes


def count_steps(labels: Sequence[int], limit: int) -> int:
    """Count the batches of an epoch, see :func:`draw_batches`."""
    return -(-len(labels) // min(limit, max(labels) + 1))


def draw_batches(labels: Sequence[int], limit: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Draw the batches of an epoch, with about as many images in all as there are.

    Each class is a shuffled deck that begins anew when it is used up, so that every class is seen equally often.

    Args:
        labels: Number of each image's class, from 0.
        limit: Largest batch.
        rng: Of the order.

    Yields:
        Indices of images of different classes.
    """
    labels = np.asarray(labels)
    decks = [rng.permutation(np.flatnonzero(labels == label)) for label in range(labels.max() + 1)]
    drawn = np.zeros(len(decks), dtype=int)
    for _ in range(count_steps(labels, limit)):
        batch = rng.permutation(len(decks))[:limit]
        yield [int(decks[label][drawn[label] % len(decks[label])]) for label in batch]
        drawn[batch] += 1


def check_sizes(scenes: Sequence[Scene], *, size: int, scale: int) -> None:
    """Make sure that a crop fits into every image.

    Args:
        scenes: With LR pixels.
        size: Side of a crop in HR pixels.
        scale: Of the LR images.

    Raises:
        DataError: If an image is too small.
    """
    for scene in scenes:
        height, width = scene.pixels["LR"].shape[:2]
        if min(height, width) * scale < size:
            raise DataError(
                f"{scene.name}: {height * scale} x {width * scale} pixels are less than a crop of {size}; give a "
                f"configuration with a smaller image_size as --model, or --large 0 for crops of the image_size alone"
            )


def draw_crop(scene: Scene, *, size: int, scale: int, degraded: float, rng: np.random.Generator) -> Tensor:
    """Cut a crop at the resolution of the HR image, flipped, turned and its colours mildly changed at random.

    Args:
        scene: With LR pixels and, if ``degraded`` is below 1, HR pixels.
        size: Side, a multiple of the scale.
        scale: Of the LR image.
        degraded: Probability that the crop is one of the LR image, brought up bilinearly.
        rng: Of place, kind and orientation; the colours are torch's global generator's.

    Returns:
        (3, size, size), RGB in [0, 1].
    """
    side = size // scale
    height, width = scene.pixels["LR"].shape[:2]
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    is_degraded, turns, is_flipped = rng.random() < degraded, int(rng.integers(4)), rng.random() < 0.5
    pixels, factor = (scene.pixels["LR"], 1) if is_degraded else (scene.pixels["HR"], scale)
    cut = pixels[top * factor : (top + side) * factor, left * factor : (left + side) * factor]
    cut = np.rot90(cut[:, ::-1] if is_flipped else cut, turns)
    crop = _JITTER(torch.from_numpy(cut.copy()).permute(2, 0, 1) / 255)
    if is_degraded:
        crop = F.interpolate(crop[None], size=(size, size), mode="bilinear", align_corners=False)[0]
    return crop
