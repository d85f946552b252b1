"""What several test files need: small images and folders made on the spot."""

import os
from pathlib import Path

import cv2
import numpy as np

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def make_image(seed, height=64, width=64, channels=3):
    """Draw a smooth random 8-bit image with edges: (height, width, channels), BGR, 0-255."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (max(2, height // 8), max(2, width // 8), channels), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, channels)
    top, left = rng.integers(0, max(1, height // 2)), rng.integers(0, max(1, width // 2))
    image[top : top + height // 3, left : left + width // 3] = rng.integers(0, 256, channels, dtype=np.uint8)
    return image


def write_image(path, image):
    """Write an image, making its folder; returns the path."""
    path = Path(path)
    os.makedirs(path.parent, exist_ok=True)
    assert cv2.imwrite(str(path), image), path
    return path
