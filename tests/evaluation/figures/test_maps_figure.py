import dataclasses

import matplotlib
import numpy as np
import pytest

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.figures.maps_figure import (
    COLOUR_MAP,
    MappedImage,
    choose_mapped_images,
    draw_maps,
    load_maps,
    show_maps,
)
from segsr_arch.evaluation.figures.style import WIDTH
from segsr_arch.evaluation.saved_evaluations import find_methods
from segsr_arch.results.references import ImageReference
from tests.evaluation.figures.records import all_text, texts, write_evaluation
from tests.support import make_image


@pytest.fixture
def record(tmp_path):
    write_evaluation(tmp_path, "SeGSR", 1.0, units=3, vlm="ViT-B-16 with weights random(0)")
    return find_methods([tmp_path])[0]


def mapped(units, height=40, width=60):
    image = make_image(0, height, width)
    maps = np.random.default_rng(0).uniform(-0.4, 0.4, (units, height, width)).astype(np.float32)
    return MappedImage(name="farm01", lr=image[::4, ::4], sr=image, maps=maps)


def test_maps_lie_on_the_pixels_of_the_sr_image(record):
    image = load_maps(record, name="farm02")
    assert image.maps.shape == (3, 64, 64)
    assert image.sr.shape == (64, 64, 3) and image.lr.shape == (16, 16, 3)
    # 4 x 4 cells over 64 pixels: the corners are those of the grid, and rows grow downwards.
    stored = np.load(record.images[1].maps.path)["maps"]
    np.testing.assert_allclose(image.maps[:, 0, 0], stored[:, 0, 0], atol=1e-3)
    np.testing.assert_allclose(image.maps[:, 63, 0], stored[:, 3, 0], atol=1e-3)
    middle = image.maps[:, 31:33, 0].mean(axis=1)
    np.testing.assert_allclose(middle, stored[:, 1:3, 0].astype(np.float32).mean(axis=1), atol=1e-3)


def test_all_maps_share_one_colour_scale_that_fits_them(record):
    figure = show_maps(record, images=["farm01", "river01"])
    pictures = [picture for axes in figure.axes for picture in axes.images if picture.get_array().ndim == 2]
    assert len(pictures) == 2 * 3  # images, units
    assert {picture.get_clim() for picture in pictures} == {(-0.5, float(np.float16(0.3)))}
    assert {picture.get_cmap().name for picture in pictures} == {COLOUR_MAP}
    assert "cosine" in texts(figure)


def test_overlays_mix_the_colours_of_the_scale_with_the_grey_image():
    image = mapped(2)
    figure = draw_maps([image], caption="")
    alone, over = figure.axes[2].images[0], figure.axes[3].images[0]
    grey = image.sr @ [0.299, 0.587, 0.114] / 255
    expected = 0.4 * grey[..., None] + 0.6 * alone.to_rgba(image.maps[0])[..., :3]
    np.testing.assert_allclose(over.get_array(), expected, atol=1e-6)
    assert over.get_alpha() is None


def test_colours_are_in_order_on_a_grey_printer():
    colours = matplotlib.colormaps[COLOUR_MAP](np.linspace(0, 1, 64))[:, :3]
    assert (np.diff(colours @ [0.299, 0.587, 0.114]) > 0).all()


def test_random_weights_and_ranges_are_said(record):
    figure = show_maps(record, images=["farm01"])
    assert "RANDOM weights: SeGSR. Its maps carry no semantic knowledge." in all_text(figure)
    assert "Set, ×4" in all_text(figure)
    assert {"unit 1", "unit 2", "unit 3", "LR", "SR"} <= set(texts(figure))
    assert any(text.startswith("−0.50 … ") for text in texts(figure))
    known = dataclasses.replace(record, provenance={"vlm": "ViT-B-16-quickgelu with weights openai"})
    assert "RANDOM" not in all_text(show_maps(known, images=["farm01"]))


def test_without_overlay_there_is_one_row():
    figure = draw_maps([mapped(3)], caption="", overlay=False)
    boxes = [axes.get_position() for axes in figure.axes[:-1]]
    assert len(boxes) == 5
    assert len({round(box.y0, 6) for box in boxes}) == 1


@pytest.mark.parametrize("units", [1, 6, 10])
def test_any_number_of_units_fits_the_page(units):
    figure = draw_maps([mapped(units), mapped(units, 64, 33)], caption="word " * 60)
    figure.canvas.draw()
    assert figure.get_size_inches()[0] <= WIDTH + 1e-9
    page = figure.bbox
    for artist in [*figure.texts, *figure.axes]:
        box = artist.get_window_extent()
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1


def test_a_constant_map_is_drawn():
    image = dataclasses.replace(mapped(2), maps=np.full((2, 40, 60), 0.25, np.float32))
    draw_maps([image], caption="").canvas.draw()


def test_images_whose_maps_vary_most_are_chosen(record):
    # The ramps of later images reach further.
    assert choose_mapped_images(record) == ["river01", "farm02"]
    assert "Images: those whose maps vary most." in all_text(show_maps(record))


def test_all_of_a_large_image_counts_in_the_choice(record, tmp_path):
    """LR images of 152 pixels on a grid of 38 cells: one map varies most, but only in its last quarter."""
    rows = []
    for index, row in enumerate(record.images):
        maps = np.linspace(0, 0.02, 38 * 38).reshape(1, 38, 38)
        if index == 1:
            maps[0, 30:, 30:] = np.indices((8, 8)).sum(axis=0) % 2
        path = tmp_path / f"{index}.npz"
        np.savez(path, maps=maps, cells_per_pixel=0.25)
        rows.append(dataclasses.replace(row, maps=ImageReference(path=str(path))))
    assert choose_mapped_images(dataclasses.replace(record, images=tuple(rows)))[0] == record.images[1].name


def test_what_is_missing_is_named(record, tmp_path):
    write_evaluation(tmp_path / "plain", "HAT", 1.0)
    plain = find_methods([tmp_path / "plain"])[0]
    with pytest.raises(DataError, match="HAT on Set: no image has guidance maps"):
        show_maps(plain)
    with pytest.raises(DataError, match="HAT: the guidance of farm01 is not recorded; only networks with a semantic"):
        show_maps(plain, images=["farm01"])
    with pytest.raises(ConfigError, match="--image farm7: was not evaluated"):
        show_maps(record, images=["farm7"])
    for place in ("sr", "lq"):
        rows = tuple(dataclasses.replace(row, **{place: None}) for row in record.images)
        with pytest.raises(DataError, match="of farm01 is not recorded"):
            show_maps(dataclasses.replace(record, images=rows), images=["farm01"])


def test_deep_images_and_mixed_units_are_refused(tmp_path):
    write_evaluation(tmp_path, "A", 1.0, units=2, with_lq=True)
    record = find_methods([tmp_path])[0]
    wide = make_image(0).astype(np.uint16) * 257
    import cv2

    cv2.imwrite(record.images[0].sr.path, wide)
    with pytest.raises(DataError, match="A: farm01 .*different bits"):
        show_maps(record, images=["farm01"])
    cv2.imwrite(record.images[0].lq.path, wide[::4, ::4])
    with pytest.raises(DataError, match="A: farm01 .*16 bits"):
        show_maps(record, images=["farm01"])
    with pytest.raises(ConfigError, match=r"different numbers of units.*\[2, 3\]"):
        draw_maps([mapped(2), mapped(3)], caption="")
