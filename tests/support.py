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


# A vision-language model that builds in milliseconds: 2 blocks of width 32, patches of 8, joint width 32.
TINY_VLM = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "quick_gelu": True,
}
TINY_SEMANTICS = {
    "vlm": TINY_VLM,
    "pretrained": None,
    "lora_rank": 2,
    "num_heads": 4,
    "modulation_channels": 8,
    "metanet_reduction": 4,
}
TINY_HAT = {
    "embed_dim": 12,
    "depths": [2, 2],
    "num_heads": [2, 2],
    "window_size": 8,
    "compress_ratio": 3,
    "squeeze_factor": 6,
}
