"""Jobs of visitors: what segsr upscale makes, one at a time, for the one who has asked."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio

from segsr_arch.app.desk import Desk
from segsr_arch.app.facts import facts_of
from segsr_arch.app.jobs import StoppedError, Wish, carry_out, with_bands, with_range
from segsr_arch.app.networks import load_offered
from segsr_arch.app.pictures import spread_picture
from segsr_arch.app.visits import Visits
from segsr_arch.cli.segsr import main
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.named_models.folders import find_models
from tests.evaluation.test_trained_network import write_test_options
from tests.scenes.rasters import PLACE, write_raster
from tests.support import TINY_MSSD, make_image, write_image

BICUBIC = "bicubic:2"


@pytest.fixture
def visits(tmp_path):
    (tmp_path / "visits").mkdir()
    return Visits(tmp_path / "visits")


@pytest.fixture
def offered():
    return load_offered([], [])


def give(visits, path, key="a"):
    return visits.of(key).take(path, most_megapixels=1)


def deep_raster(path):
    """A raster of four bands of 16 bits, one pixel without data."""
    values = make_image(0, 12, 20, 4).transpose(2, 0, 1).astype(np.uint16) * 200 + 1
    values[:, 3, 4] = 0
    colours = (rasterio.enums.ColorInterp.red, *(rasterio.enums.ColorInterp.undefined,) * 3)
    return write_raster(path, values, nodata=0, colours=colours, tags={"SENSOR": "drawn"})


def test_what_comes_with_the_package_and_bicubic_are_offered_whatever_was_named(offered):
    shipped = [model.name for model in reversed(find_models()[0]) if model.shipped]
    assert list(offered) == [*shipped, "bicubic:4", BICUBIC] and "aerial_x4" in shipped
    assert [network.scale for network in offered.values()][-2:] == [4, 2]
    assert not any(network.samples or network.reads_captions or network.guided for network in offered.values())
    assert offered[BICUBIC].description == "bicubic:2: enlarges 2 times."
    assert list(load_offered([], [BICUBIC, "bicubic:3"])) == [BICUBIC, "bicubic:3", *shipped, "bicubic:4"]


def test_what_is_looked_at_while_pictures_are_drawn_is_what_was_just_made(visits, offered, tmp_path):
    desk = Desk("a", visits=visits, offered=offered, most_megapixels=1)
    desk.take(write_image(tmp_path / "field.png", make_image(0, 12, 20)))
    desk.enlarge(BICUBIC, Wish(), watch=lambda _share, _what: None)
    looked = []

    def look(_share, what):
        if what == "drawing pictures":
            looked.append(desk.look(zoom=4, side="bicubic"))

    desk.enlarge(BICUBIC, Wish(), watch=look)
    assert len(looked) == 1 and looked[0] is not None


def test_an_image_that_was_replaced_while_pictures_are_drawn_is_not_looked_at(visits, offered, tmp_path):
    desk = Desk("a", visits=visits, offered=offered, most_megapixels=1)
    desk.take(write_image(tmp_path / "field.png", make_image(0, 12, 20)))

    def replace(_share, what):
        if what == "drawing pictures":
            desk.take(write_image(tmp_path / "other.png", make_image(1, 12, 20)))

    with pytest.raises(StoppedError):
        desk.enlarge(BICUBIC, Wish(), watch=replace)
    assert desk.look(zoom=4, side="bicubic") is None


def test_a_geotiff_becomes_what_segsr_upscale_makes_of_it(visits, offered, tmp_path):
    src = deep_raster(tmp_path / "field.tif")
    seen = []
    made = carry_out(give(visits, src), offered[BICUBIC], Wish(bands=(3, 2, 1)), watch=lambda *told: seen.append(told))
    main(["upscale", src, str(tmp_path / "expected.tif"), "--model", BICUBIC, "--bands", "3", "2", "1"])
    (output,) = made.outputs
    assert output.name == "field.tif" and output.read_bytes() == (tmp_path / "expected.tif").read_bytes()
    with rasterio.open(output) as dataset:
        assert dataset.crs.to_epsg() == 32633 and dataset.transform == PLACE * PLACE.scale(0.5)
        assert dataset.dtypes == ("uint16",) * 4 and dataset.shape == (24, 40)
        assert dataset.tags()["SENSOR"] == "drawn" and not dataset.read_masks(1)[6:8, 8:10].any()
    shares = [share for share, _ in seen]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1 and seen[0][1] == BICUBIC
    assert made.downloads == made.outputs


def test_what_is_told_has_figures_with_units_and_no_folder_of_this_machine(visits, offered, tmp_path):
    made = carry_out(give(visits, deep_raster(tmp_path / "field.tif")), offered[BICUBIC], Wish(bands=(1,)))
    facts = dict(facts_of(made))
    assert facts["Input"] == "field.tif, 20 x 12 pixels" and facts["Output"] == "40 x 24 pixels, 4 bands of uint16"
    assert facts["Coordinates"] == "EPSG:32633" and facts["Network"] == "bicubic:2, x2"
    report = made.reports[0]
    assert facts["LR consistency"] == (
        f"reduced again, the output differs from the input by {report.consistency.mean:.4g} units on average, "
        f"by {report.consistency.largest:.4g} units at most"
    )
    assert str(tmp_path) not in str(facts) and "Note" in facts


def test_a_photograph_becomes_a_png_of_its_depth(visits, offered, tmp_path):
    src = write_image(tmp_path / "river.png", make_image(1, 9, 11).astype(np.uint16) * 257)
    (output,) = carry_out(give(visits, src), offered[BICUBIC], Wish()).outputs
    image = cv2.imread(str(output), cv2.IMREAD_UNCHANGED)
    assert output.name == "river.png" and image.dtype == np.uint16 and image.shape == (18, 22, 3)


def test_another_job_takes_the_place_of_the_one_before(visits, offered, tmp_path):
    upload = give(visits, write_image(tmp_path / "river.png", make_image(1, 9, 11)))
    first, second = (carry_out(upload, offered[name], Wish()) for name in (BICUBIC, "bicubic:4"))
    assert first.outputs != second.outputs and not first.outputs[0].exists() and second.outputs[0].exists()


def test_the_spread_of_the_turns_is_a_raster_and_a_picture(visits, offered, tmp_path):
    upload = give(visits, deep_raster(tmp_path / "field.tif"))
    made = carry_out(upload, offered[BICUBIC], Wish(bands=(3, 2, 1), ensemble=True))
    assert [path.name for path in made.downloads] == ["field.tif", "field.spread.tif"]
    path, words = spread_picture(made)
    assert cv2.imread(str(path)).shape == (24, 40, 3)
    assert words.startswith("Spread of the eight flips and rotations: 0.0000 of the range")


def test_refusals_are_those_of_segsr_upscale_without_folders(visits, offered, tmp_path):
    upload = give(visits, write_raster(tmp_path / "many.tif", np.ones((5, 8, 8), np.uint8)))
    with pytest.raises(DataError) as refusal:
        carry_out(upload, offered[BICUBIC], Wish())
    assert str(refusal.value).startswith("many.tif: which of its bands") and "--bands 3 2 1" in str(refusal.value)
    with pytest.raises(ConfigError, match=r"^--seed, --caption: bicubic:2 gives one image for each input"):
        carry_out(upload, offered[BICUBIC], Wish(bands=(1,), seed=3, caption="a river"))
    with pytest.raises(ConfigError, match="samples: 17 is not a whole number from 1 to 16"):
        Wish(samples=17)
    Path(upload.source).write_bytes(upload.source.read_bytes()[:200])
    with pytest.raises(DataError) as refusal:
        carry_out(upload, offered[BICUBIC], Wish(bands=(1,)))
    assert str(tmp_path) not in str(refusal.value) and "many.tif" in str(refusal.value)


@pytest.fixture
def sampling(tmp_path, monkeypatch):
    """A tiny MSSD that is offered."""
    monkeypatch.chdir(tmp_path)
    network = {"type": "MSSD", "scale": 2, **TINY_MSSD}
    return load_offered([write_test_options(tmp_path, network=network, model_type="DiffusionModel")], [])["tiny"]


def test_samples_have_the_seeds_after_the_first_and_a_spread(visits, sampling, tmp_path):
    assert sampling.samples and sampling.reads_captions and "in 2 steps unless told otherwise" in sampling.description
    src = write_image(tmp_path / "river.png", make_image(0, 10, 14))
    wish = Wish(seed=3, steps=1, caption="a river", samples=2)
    seen = []
    made = carry_out(give(visits, src), sampling, wish, watch=lambda *told: seen.append(told))
    assert [path.name for path in made.downloads] == ["river_seed3.png", "river_seed4.png"]
    main(
        ["infer", "--input_img", str(src), "--output", str(tmp_path / "out"), "-opt", str(tmp_path / "test.yml")]
        + ["--seed", "3", "--steps", "1", "--caption", "a river", "--samples", "2"]
    )
    for path in made.outputs:
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()
    assert [what for _, what in seen if "step" in what] == [f"tiny, sample {n} of 2, step 1 of 1" for n in (1, 2)]
    shares = [share for share, _ in seen]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1 and 0.5 in shares
    assert dict(facts_of(made))["Caption"] == "a river" and "LR consistency of sample 2" in dict(facts_of(made))
    first, second = (cv2.imread(str(path)).astype(float) / 255 for path in made.outputs)
    mean = np.std([first, second], axis=0, ddof=1).mean()
    _, words = spread_picture(made)
    assert mean > 0 and words.startswith(f"Spread of 2 samples: {mean:.4f} of the range on average")


def test_a_job_ends_at_the_next_tile_when_its_image_is_dropped(visits, offered, tmp_path):
    upload = give(visits, write_image(tmp_path / "river.png", make_image(1, 9, 11)))

    def leave(share, what):
        visits.end("a")

    with pytest.raises(StoppedError):
        carry_out(upload, offered[BICUBIC], Wish(), watch=leave)
    assert not list((tmp_path / "visits").rglob("*.*"))


def test_jobs_wait_for_one_another_and_say_so(visits, offered, tmp_path):
    uploads = [
        give(visits, write_image(tmp_path / f"{key}.png", make_image(number, 9, 11)), key)
        for number, key in enumerate("ab")
    ]
    told = {0: [], 1: []}
    waited, begun = threading.Event(), threading.Event()
    made = {}

    def watch(number):
        def tell(share, what):
            told[number].append(what)
            begun.set()
            if number == 0:
                assert waited.wait(30)
            elif what.startswith("waiting"):
                waited.set()

        return tell

    def work(number):
        made[number] = carry_out(uploads[number], offered[BICUBIC], Wish(), watch=watch(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    threads[0].start()
    assert begun.wait(30)
    threads[1].start()
    for thread in threads:
        thread.join(60)
    assert "waiting for the image of somebody else" not in told[0] and told[1][-1] == BICUBIC
    images = [cv2.imread(str(made[number].outputs[0])) for number in (0, 1)]
    assert images[0].shape == images[1].shape and not np.array_equal(*images)


def test_bands_and_range_are_read_as_people_write_them():
    assert with_bands("4, 3 2") == (4, 3, 2) and with_bands(" ") is None
    assert with_range("0 1e4") == (0.0, 10000.0) and with_range("") is None
    for read, text in ((with_bands, "red"), (with_bands, "-1"), (with_range, "5"), (with_range, "a b")):
        with pytest.raises(ConfigError, match=f"'{text}': give"):
            read(text)
