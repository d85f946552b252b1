"""Pictures and calls that the tests of degradations share."""

import numpy as np

from segsr_arch.degradations.chain import Chain


def picture(dtype, height=64, width=48, bands=3):
    """Smooth stripes and texture from black to white."""
    generator = np.random.default_rng(5)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(y / (3 + band)) * np.cos(x / 5) for band in range(bands)]
    values = (np.stack(waves, axis=2) * 0.4 + 0.5 + generator.uniform(-0.1, 0.1, (height, width, bands))).clip(0, 1)
    if dtype == "float32":
        return values.astype(np.float32)
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)


def flat(level, height=400, width=400, bands=3):
    """A float image of one grey level of 255."""
    return np.full((height, width, bands), level / 255, np.float32)


def degrade(chain, image, seed=0, scale=4):
    """Apply a chain with a seed of its own."""
    return Chain.read(chain, scale=scale).apply(image, np.random.default_rng(seed))
