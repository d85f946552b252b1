import re

import numpy as np
import pytest

from segsr_arch.degradations.chain import Chain
from segsr_arch.degradations.sensor import mtf_sigma
from segsr_arch.errors import ConfigError
from tests.degradations.pictures import degrade, flat, picture


def test_the_width_for_an_mtf_is_the_published_one():
    assert mtf_sigma(0.2, 4) == pytest.approx(2.284, abs=5e-4)


@pytest.mark.parametrize(("scale", "nyquist"), [(4, 0.2), (3, 0.3), (2, 0.1), (8, 0.2)])
def test_a_grating_at_the_nyquist_frequency_keeps_the_mtf(scale, nyquist):
    columns = np.arange(40 * scale)
    # Half a period is an LR pixel, with its tops in the middle of LR pixels.
    grating = 0.5 + 0.4 * np.cos(np.pi * (columns - (scale - 1) / 2) / scale)
    image = np.broadcast_to(grating.astype(np.float32)[None, :, None], (40 * scale, 40 * scale, 1))
    chain = [{"type": "mtf", "nyquist": nyquist}, {"type": "reduce", "how": "s-fold"}]
    result = degrade(chain, image, scale=scale)
    middle = result.lq[10:-10, 10:-10, 0] - 0.5
    # At even scales, the interpolation between two pixels costs 1 % more (7 % at scale 2).
    assert np.abs(middle).mean() == pytest.approx(0.4 * nyquist, rel=0.15 if scale == 2 else 0.03)
    assert result.kernel.shape[0] >= 21
    assert result.record["steps"][0]["sigma"] == pytest.approx(mtf_sigma(nyquist, scale))


def test_photon_noise_grows_with_the_signal():
    chain = [{"type": "sensor-noise", "snr": 50, "readout": 1.5}]
    for level in (20, 80, 200):
        result = degrade(chain, flat(level), scale=2)
        variance = level * 255 / 50**2 + 1.5**2
        assert ((result.lq - result.clean) * 255).std() == pytest.approx(np.sqrt(variance), rel=0.02)
        assert result.noise == pytest.approx(np.sqrt(variance), rel=1e-3)
        assert result.lq.mean() * 255 == pytest.approx(level, abs=0.1)


def test_stripes_run_along_columns_or_rows():
    for direction, axis in (("columns", 0), ("rows", 1)):
        chain = [{"type": "stripes", "offset": 2, "gain": 0.01, "direction": direction}]
        result = degrade(chain, flat(128, 800, 800), scale=2)
        difference = (result.lq - result.clean) * 255
        assert np.ptp(difference, axis=axis).max() < 1e-3
        expected = np.hypot(2, 1.28)
        assert difference.std() == pytest.approx(expected, rel=0.1)
        assert result.noise == pytest.approx(expected, rel=1e-3)


def test_bands_are_shifted_by_what_the_record_says():
    y, x = np.mgrid[:80, :60]
    image = np.repeat(((x + 2 * y) / 256).astype(np.float32)[..., None], 3, axis=2)
    result = degrade([{"type": "misregistration", "sigma": 0.8}], image, scale=2)
    shifts = np.array(result.record["steps"][0]["rows_columns"])
    assert shifts.sum(axis=0) == pytest.approx([0, 0], abs=1e-5)
    moved = (result.lq - result.clean)[10:-10, 10:-10].mean(axis=(0, 1)) * 256
    assert moved == pytest.approx(-(2 * shifts[:, 0] + shifts[:, 1]), abs=0.01)


def test_haze_veils_the_image():
    image = picture("float32")
    result = degrade([{"type": "haze", "transmission": 0.7, "airlight": 220}], image)
    assert np.abs(result.lq - (0.7 * result.clean + 0.3 * 220 / 255)).max() < 1e-3
    assert result.noise == 0


def test_a_width_that_no_kernel_holds_is_refused_by_what_was_given():
    with pytest.raises(ConfigError) as refused:
        Chain.read([{"type": "mtf", "nyquist": [0.001, 0.2]}], scale=16)
    assert "mtf: nyquist: 0.001 at scale 16 needs a kernel of 115 HR pixels" in str(refused.value)
    least = float(re.search(r"give ([0-9.]+) or more", str(refused.value))[1])
    assert Chain.read([{"type": "mtf", "nyquist": least}], scale=16).steps[0].size == 101
    with pytest.raises(ConfigError, match="nyquist"):
        Chain.read([{"type": "mtf", "nyquist": least - 2e-4}], scale=16)
    assert Chain.read([{"type": "mtf", "nyquist": 0.001, "size": 101}], scale=16).steps[0].size == 101
