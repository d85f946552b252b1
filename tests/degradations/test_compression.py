import io

import numpy as np
import pytest
from PIL import Image

from segsr_arch.degradations import compression
from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.errors import DependencyError
from tests.degradations.pictures import degrade, picture


def error(result):
    return np.abs(result.lq.astype(float) - result.clean).mean() / (65535 if result.lq.dtype == np.uint16 else 255)


def test_jpeg_is_that_of_pillow():
    image = picture("uint8", 256, 256)
    stream = io.BytesIO()
    Image.fromarray(make_lr(image, 4)).save(stream, "JPEG", quality=40)
    assert np.array_equal(degrade([{"type": "jpeg", "quality": 40}], image).lq, np.asarray(Image.open(stream)))


@pytest.mark.parametrize(("name", "key", "weak", "strong"), [("jpeg", "quality", 95, 10), ("jpeg2000", "ratio", 4, 40)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_stronger_compression_loses_more(name, key, weak, strong, dtype):
    image = picture(dtype, 512, 512, bands=1).repeat(3, axis=2)
    weakly, strongly = (degrade([{"type": name, key: value}], image) for value in (weak, strong))
    assert 0 < error(weakly) < 0.5 * error(strongly)
    assert weakly.record["steps"][-1] == {"type": name, key: weak}


def test_jpeg_2000_keeps_16_bits():
    y, x = np.mgrid[:256, :256]
    ramp = ((x + y) * 120)[..., None].repeat(3, 2).astype(np.uint16)
    result = degrade([{"type": "jpeg2000", "ratio": 2}], ramp)
    assert len(np.unique(result.lq)) > 300  # 8 bits have 256
    assert np.abs(result.lq.astype(int) - result.clean)[4:-4, 4:-4].max() < 257 / 2
    assert (degrade([{"type": "jpeg", "quality": 90}], ramp).lq % 257 == 0).all()


def test_pillow_without_jpeg_2000_is_named(monkeypatch):
    monkeypatch.setattr(compression.features, "check", lambda name: False)
    with pytest.raises(DependencyError, match="pip install"):
        degrade([{"type": "jpeg2000"}], picture("uint8"))
