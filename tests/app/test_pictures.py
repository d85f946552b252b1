"""What is shown: the same place before and after, in tones that are stated, and maps with words."""

import cv2
import numpy as np
import pytest

from segsr_arch.app.jobs import Wish, carry_out
from segsr_arch.app.networks import load_offered
from segsr_arch.app.pictures import DETAIL, LONGEST, View, compare, map_pictures, spread_picture
from segsr_arch.app.visits import Visits
from segsr_arch.app.words import words_of_units
from segsr_arch.evaluation.vocabulary import build_vocabulary
from tests.evaluation.test_trained_network import write_test_options
from tests.scenes.rasters import write_raster
from tests.semantics.test_text_tower import TEXT
from tests.support import TINY_HAT, TINY_SEMANTICS, TINY_VLM, make_image, write_image


@pytest.fixture
def visits(tmp_path):
    (tmp_path / "visits").mkdir()
    return Visits(tmp_path / "visits")


@pytest.fixture
def enlarged(visits, tmp_path):
    """What bicubic interpolation makes of an image."""
    network = load_offered([], [])["bicubic:2"]

    def enlarge(image, name="scene.png", **wish):
        path = tmp_path / name
        if name.endswith(".tif"):
            write_raster(path, image, **wish.pop("raster", {}))
        else:
            write_image(path, image)
        return carry_out(visits.of("a").take(path, most_megapixels=5), network, Wish(**wish))

    return enlarge


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_a_small_image_is_shown_whole_pixel_by_pixel(enlarged):
    image = make_image(0, 20, 30)
    made = enlarged(image)
    shown = compare(made, View())
    assert np.array_equal(read(shown.before), image.repeat(2, axis=0).repeat(2, axis=1))
    assert np.array_equal(read(shown.after), read(made.outputs[0]))
    assert shown.words == "Shown: the whole image. Black and white are 0 and 255."
    smooth = compare(made, View(), side="bicubic")
    expected = cv2.resize(image.astype(np.float32), (60, 40), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    assert np.abs(read(smooth.before) - expected).max() <= 1
    assert shown.before != smooth.before and not spread_picture(made) and not map_pictures(made, [])


def test_a_large_one_is_reduced_by_means_on_both_sides(enlarged):
    image = make_image(1, 40, 1600)
    shown = compare(enlarged(image), View())
    before, after = read(shown.before).astype(float), read(shown.after).astype(float)
    assert before.shape == after.shape == (38, LONGEST, 3)
    assert abs(before.mean() - image.mean()) < 1.5 and np.abs(before - after).mean() < 4
    assert shown.words.startswith("Shown: the whole image, reduced to 48% of the output's size.")


@pytest.mark.parametrize("zoom", [1, 2, 4])
def test_a_part_shows_the_place_that_was_asked_for(enlarged, zoom):
    image = np.zeros((600, 800, 3), np.uint8)
    image[300:, 400:] = 255
    made = enlarged(image)
    shown = compare(made, View(zoom=zoom, centre=(0.5, 0.5)))
    for picture in (read(shown.before), read(shown.after)):
        assert picture.shape == (DETAIL, DETAIL, 3)
        corner = DETAIL // 2
        assert picture[corner + 8 * zoom :, corner + 8 * zoom :].min() == 255
        assert picture[: corner - 8 * zoom, : corner - 8 * zoom].max() == 0
    side = DETAIL // (2 * zoom)
    assert shown.words.startswith(f"Shown: {side} x {side} pixels of the input.")
    lively = read(compare(made, View(zoom=4)).after)  # without a place: where the edges are
    assert lively.min() == 0 and lively.max() == 255


def test_deep_values_are_stretched_alike_and_no_data_is_black(enlarged):
    values = np.full((3, 40, 40), 3000, np.uint16)
    values[:, :, 20:] = 6000
    values[:, :5, :5] = 0
    shown = compare(enlarged(values, "deep.tif", raster={"nodata": 0}), View())
    before = read(shown.before)
    assert before[40, 10].tolist() == [0] * 3 and before[40, 70].tolist() == [255] * 3
    assert before[:10, :10].max() == 0 and read(shown.after)[:10, :10].max() == 0
    assert "Black is 0.0458 and white 0.0916 of the range" in shown.words


@pytest.fixture
def guided(tmp_path, monkeypatch):
    """A tiny guided network that is offered, its vision-language model with random weights."""
    monkeypatch.chdir(tmp_path)
    network = {"type": "SeGSR", "upscale": 2, "drop_path_rate": 0.0, **TINY_HAT}
    network["semantics"] = {**TINY_SEMANTICS, "vlm": {**TINY_VLM, "text_cfg": TEXT}}
    return load_offered([write_test_options(tmp_path, network=network)], [])["tiny"]


def test_a_guided_network_shows_its_maps_with_words(visits, guided, tmp_path):
    assert "guided by" in guided.description and "shows 2 maps" in guided.description and not guided.samples
    upload = visits.of("a").take(write_image(tmp_path / "scene.png", make_image(2, 70, 90)), most_megapixels=1)
    made = carry_out(upload, guided, Wish())
    assert [path.name for path in made.downloads] == ["scene.png", "scene.maps.tif"]
    words, warning = words_of_units(made)
    terms = set(build_vocabulary(path=None).terms)
    assert len(words) == 2 and all(set(each.split(", ")) <= terms for each in words)
    assert all(len(each.split(", ")) == 3 for each in words)
    assert warning.startswith("RANDOM WEIGHTS")
    pictures = map_pictures(made, words)
    assert [read(path).shape for path, _ in pictures] == [(70, 90, 3)] * 2
    assert [caption for _, caption in pictures] == [
        f"unit {number}: layers.{number - 1}: {said}" for number, said in enumerate(words, start=1)
    ]
    assert carry_out(upload, guided, Wish(maps=False)).maps is None


def test_without_a_text_tower_the_maps_have_no_words_and_a_reason(visits, guided, tmp_path, monkeypatch):
    upload = visits.of("a").take(write_image(tmp_path / "scene.png", make_image(2, 20, 20)), most_megapixels=1)
    made = carry_out(upload, guided, Wish())
    config = guided.guided.guide.config
    object.__setattr__(config, "pretrained", str(tmp_path / "missing.pt"))
    words, reason = words_of_units(made)
    assert words == [] and reason.startswith("No words for the maps: ") and "missing.pt" in reason
    assert [caption for _, caption in map_pictures(made, words)] == ["unit 1: layers.0", "unit 2: layers.1"]
