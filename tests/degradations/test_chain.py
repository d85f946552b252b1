import json

import numpy as np
import pytest

from segsr_arch.degradations import kernels
from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.degradations.chain import STEPS, Chain
from segsr_arch.degradations.named_chains import NAMED_CHAINS
from segsr_arch.errors import ConfigError, DataError
from tests.degradations.pictures import degrade, flat, picture


@pytest.mark.parametrize("name", NAMED_CHAINS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_every_named_chain_keeps_the_type_and_is_a_function_of_the_seed(name, dtype):
    image = picture(dtype)
    before = image.copy()
    first, again, other = (degrade(name, image, seed) for seed in (1, 1, 2))
    assert np.array_equal(image, before)
    assert first.lq.shape == first.clean.shape == (16, 12, 3)
    assert first.lq.dtype == first.clean.dtype == image.dtype
    assert np.array_equal(first.lq, again.lq)
    assert first.record == again.record
    assert not np.array_equal(first.lq, other.lq)
    assert first.kernel.dtype == np.float32
    assert first.kernel.shape == (21, 21)
    assert first.kernel.sum() == pytest.approx(1, abs=1e-5)
    assert json.loads(json.dumps(first.record)) == first.record


def test_every_step_can_be_written_in_a_chain_and_says_its_words():
    for name, step in STEPS.items():
        chain = Chain.read([{"type": name}], scale=4)
        assert step().for_scale(4).words() in chain.words()
        for bands, dtype in [(1, "uint8"), (6, "uint16")]:
            result = chain.apply(picture(dtype, 16, 12, bands), np.random.default_rng(0))
            assert result.lq.shape == (4, 3, bands)
            assert name in [record["type"] for record in result.record["steps"]]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_chain_without_blur_is_the_reduction_that_prepared_images_have(scale):
    image = picture("uint8", 24 * scale, 10 * scale)
    result = degrade([{"type": "reduce"}], image, scale=scale)
    assert np.array_equal(result.lq, make_lr(image, scale))
    assert np.array_equal(result.clean, result.lq)
    assert np.array_equal(result.kernel, kernels.delta_kernel())
    assert result.noise == 0


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_turned_view_is_an_image_like_any_other(dtype):
    image = picture(dtype)
    view = image.swapaxes(0, 1)[::-1, :, ::-1]
    assert np.array_equal(degrade("aniso", view).lq, degrade("aniso", np.ascontiguousarray(view)).lq)


def test_value_types_agree():
    byte = picture("uint8")
    chain = [{"type": "anisotropic"}, {"type": "noise", "sigma": 10}]
    results = [degrade(chain, image) for image in (byte, byte * np.uint16(257), np.float32(byte / 255))]
    of_bytes, of_16_bits, of_floats = (result.lq for result in results)
    assert np.abs(of_16_bits / 257 - of_bytes).max() <= 0.51
    assert np.abs(of_floats * 255 - of_16_bits / 257).max() < 0.01
    assert len(np.unique(of_16_bits)) > len(np.unique(of_bytes))


def test_blur_then_reduction_is_what_the_record_says():
    image = picture("float32")
    result = degrade("iso", image, seed=3)
    (blur, reduction) = result.record["steps"]
    assert blur["type"] == "isotropic"
    assert 0.2 <= blur["sigma"] <= 4
    assert reduction == {"type": "reduce"}
    assert result.kernel == pytest.approx(kernels.isotropic_kernel(blur["sigma"]), abs=1e-6)
    again = degrade([{"type": "isotropic", "sigma": blur["sigma"]}], image, seed=9)
    assert np.array_equal(again.lq, result.lq)


def test_two_blurs_give_one_kernel():
    result = degrade([{"type": "isotropic", "sigma": 1.2}, {"type": "isotropic", "sigma": 0.9}], picture("uint8"))
    wanted = kernels.isotropic_kernel(1.5)
    assert np.abs(result.kernel - wanted).max() < 2e-3 * wanted.max()


def test_noise_is_added_to_the_lr_image_with_the_sigma_it_says():
    result = degrade([{"type": "noise", "sigma": [5, 15]}], flat(128))
    sigma = result.record["steps"][-1]["sigma"]
    assert 5 <= sigma <= 15
    assert result.noise == pytest.approx(sigma)
    assert (result.lq - result.clean).std() * 255 == pytest.approx(sigma, rel=0.02)
    bands = (result.lq - result.clean).reshape(-1, 3)
    assert abs(np.corrcoef(bands.T)[0, 1]) < 0.05
    grey = degrade([{"type": "noise", "sigma": 5, "grey": True}], flat(128))
    assert np.array_equal(grey.lq[..., 0], grey.lq[..., 2])


def test_a_share_of_images_is_without_noise():
    chain, rng = Chain.read([{"type": "noise", "sigma": 9, "clean": 0.2}], scale=2), np.random.default_rng(0)
    image = picture("uint8", 4, 4)
    quiet = sum(chain.apply(image, rng).noise == 0 for _ in range(1000))
    assert 160 < quiet < 240


def test_widths_drawn_as_ikc_does():
    chain, rng = Chain.read([{"type": "anisotropic", "draw": "ikc"}], scale=4), np.random.default_rng(0)
    drawn = [chain.apply(picture("uint8", 4, 4), rng).record["steps"][0] for _ in range(500)]
    ratios = [step["l2"] / step["l1"] for step in drawn if 0.2 < step["l2"] < 4]
    assert max(ratios) <= 3
    assert np.percentile(ratios, 25) > 0.3
    assert sum(step["l2"] == 4 for step in drawn) > 50  # clipped, which an independent draw never is


def test_words_say_all_steps_in_their_order():
    words = Chain.read("aniso", scale=4).words()
    order = ["x4", "Gaussian of standard deviation 0.2 to 4", "bicubic", "noise", "0 to 25", "round"]
    places = [words.index(part) for part in order]
    assert places == sorted(places)
    assert "0.2 to 2 HR pixels" in Chain.read("iso", scale=2).words()


def test_the_reduction_goes_between_blur_and_noise_where_none_is_named():
    chain = Chain.read([{"type": "isotropic"}, {"type": "noise"}], scale=4)
    assert [step.name for step in chain.steps] == ["isotropic", "reduce", "noise"]


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ("isoo", "isoo is not a chain; did you mean iso?"),
        ([], "list of steps"),
        ({"type": "isotropic"}, "list of steps"),
        ([{"type": "isotropc"}], "step 1: 'isotropc' is not a type; did you mean isotropic?"),
        ([{"sigma": 1}], "step 1: has no type"),
        (["isotropic"], "step 1: must be a mapping"),
        ([{"type": ["isotropic"]}], "step 1: .* is not a type"),
        ([{"type": "isotropic", "sigm": 1}], "isotropic: sigm is not an option; did you mean sigma?"),
        ([{"type": "isotropic", "sigma": "wide"}], "isotropic: sigma: must be a number"),
        ([{"type": "isotropic", "sigma": 0}], "isotropic: sigma: .*at least 0.05"),
        ([{"type": "isotropic", "sigma": [0, 3]}], "isotropic: sigma: both ends must be at least 0.05"),
        ([{"type": "isotropic", "sigma": [3, 1]}], "isotropic: sigma: a range is"),
        ([{"type": "isotropic", "sigma": [1, 2, 3]}], "isotropic: sigma: a range is"),
        ([{"type": "isotropic", "size": 20}], "isotropic: size: must be odd"),
        ([{"type": "anisotropic", "theta": [0, 2]}], "anisotropic: theta: both ends must be at most 1"),
        ([{"type": "reduce", "how": "lanczos"}], "reduce: how: 'lanczos' is not known; use one of bicubic"),
        ([{"type": "mtf", "nyquist": 1}], "mtf: nyquist: .*below 1"),
        ([{"type": "jpeg", "quality": [0, 90]}], "jpeg: quality: both ends must be at least 1"),
        ([{"type": "noise", "sigma": 1e300}], "noise: sigma: .*at most 255"),
        ([{"type": "noise", "sigma": [0, float("nan")]}], "noise: sigma: a range is"),
        ([{"type": "sensor-noise", "snr": 1e12}], "sensor-noise: snr: .*at most 10000"),
        ([{"type": "stripes", "offset": 1e9}], "stripes: offset: .*at most 255"),
        ([{"type": "second-order", "noise2": [1, 256]}], "second-order: noise2: both ends must be at most 255"),
        ([{"type": "second-order", "sigma3": 1}], "second-order: sigma3 is not an option; did you mean sigma"),
        ([{"type": "isotropic"}, {"type": "haze"}], "haze comes after isotropic"),
        ([{"type": "second-order"}, {"type": "reduce"}], "reduces twice"),
        ([{"type": "noise"}, {"type": "isotropic"}], "isotropic comes after noise; the order is"),
        ([{"type": "reduce"}, {"type": "reduce"}], "reduces twice"),
    ],
)
def test_a_wrong_chain_is_refused_at_once(chain, message):
    with pytest.raises(ConfigError, match=message):
        Chain.read(chain, scale=4)


def test_a_scale_without_a_published_range_needs_one():
    with pytest.raises(ConfigError, match="sigma: must be given for scale 8"):
        Chain.read("iso", scale=8)
    assert degrade([{"type": "isotropic", "sigma": 5}], picture("uint8"), scale=8).lq.shape == (8, 6, 3)
    with pytest.raises(DataError, match="scale 1"):
        Chain.read("iso", scale=1)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((62, 64, 3), np.uint8), "62 x 64 cannot be reduced by 4"),
        (np.zeros((64, 64, 3)), "float64"),
        (np.zeros((64, 64), np.uint8), "uint8 of"),
        (np.full((8, 8, 3), 1.5, np.float32), "must lie in"),
        (np.full((8, 8, 3), np.nan, np.float32), "must lie in"),
    ],
)
def test_a_wrong_image_is_refused(image, message):
    with pytest.raises(DataError, match=message):
        degrade("iso", image)
