import dataclasses

import cv2
import numpy as np
import pytest

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.figures.choosing import choose_images, is_bicubic
from segsr_arch.evaluation.figures.compared_images import bicubic, load_comparison
from segsr_arch.evaluation.figures.comparison_figure import compare_methods
from segsr_arch.evaluation.figures.regions import Region
from segsr_arch.evaluation.figures.style import WIDTH
from segsr_arch.evaluation.saved_evaluations import find_methods
from segsr_arch.metrics.measures.fidelity import psnr
from tests.evaluation.figures.records import PSNR, all_text, texts, write_evaluation
from tests.support import make_image, write_image


@pytest.fixture
def records(tmp_path):
    write_evaluation(tmp_path, "Bad", 2.0, vlm="ViT, weights random(0)")
    write_evaluation(tmp_path, "Good", 0.6)
    return find_methods([tmp_path])


def test_bicubic_is_that_of_the_baseline_network():
    import torch

    from segsr_arch.archs.bicubic_arch import Bicubic

    lq = make_image(0, 12, 17)
    tensor = torch.from_numpy(lq.transpose(2, 0, 1).copy()).float()[None] / 255
    expected = (Bicubic(upscale=3)(tensor)[0] * 255).round().clamp(0, 255).byte().numpy().transpose(1, 2, 0)
    np.testing.assert_array_equal(bicubic(lq, 3), expected)


def test_panels_hold_the_images_in_rgb_with_the_values_of_the_record(records):
    image = load_comparison(records, name="farm02", columns=[PSNR])
    assert [panel.label for panel in image.panels] == ["LR", "Bicubic", "Bad", "Good", "HR"]
    gt = make_image(1)
    np.testing.assert_array_equal(image.hr, gt[..., ::-1])
    assert image.panels[0].image.shape == (16, 16, 3)
    for record, panel in zip(records, image.panels[2:4], strict=True):
        assert panel.values == (f"{record.values(PSNR.name)['farm02']:.2f}",)
    enlarged = image.panels[1]
    assert enlarged.values == (f"{psnr(enlarged.image[..., ::-1], gt, scale=4):.2f}",)
    assert [panel.best for panel in image.panels] == [(), (False,), (False,), (True,), ()]


def test_figure_shows_names_values_protocol_and_how_things_were_chosen(records):
    figure = compare_methods(records)
    shown, caption = texts(figure), all_text(figure)
    assert figure.get_size_inches()[0] == WIDTH
    for text in ("LR", "Bicubic", "Bad", "Good", "HR", "PSNR"):
        assert shown.count(text) == 2
    for text in ("Set (n = 3 images), ×4.", "PSNR (y-crop), dB", "of the whole image", "errors differ most"):
        assert text in caption
    assert "RANDOM weights: Bad." in caption
    bold = [text.get_text() for text in figure.texts if text.get_fontweight() == "bold"]
    chosen, _ = choose_images(records, PSNR, None)
    assert bold == [f"{records[1].values(PSNR.name)[name]:.2f}" for name in chosen]


def test_images_where_methods_differ_most_are_chosen_without_regard_to_bicubic(records):
    gaps = {name: records[1].values(PSNR.name)[name] - value for name, value in records[0].values(PSNR.name).items()}
    expected = sorted(gaps, key=lambda name: -gaps[name])[:2]
    row = records[0].images[0]
    last = min(gaps, key=gaps.get)  # on which bicubic alone is far away
    far = tuple(
        dataclasses.replace(row, name=name, values={PSNR.name: -100.0 if name == last else 20.0}) for name in gaps
    )
    baseline = dataclasses.replace(records[0], method="bicubic", images=far)
    assert choose_images([baseline, *records], PSNR, None)[0] == expected
    assert choose_images(records[:1], PSNR, None)[0][0] == sorted(gaps, key=records[0].values(PSNR.name).get)[1]


def test_panels_are_enlarged_parts_and_the_region_is_framed(records):
    region = Region(x=20, y=8, width=24, height=16)
    figure = compare_methods(records, images=["farm01"], regions=[region])
    left, *panels = figure.axes
    assert {frame.get_bbox().bounds for frame in left.patches} == {(20, 8, 24, 16)}
    assert len(panels) == 5
    for axes in panels:
        assert axes.get_xlim() == (20, 44) and axes.get_ylim() == (24, 8)
        assert axes.images[0].get_extent() == [0, 64, 64, 0]
        box = axes.get_position().transformed(figure.transFigure)
        assert box.width / box.height == pytest.approx(24 / 16)
    assert panels[0].images[0].get_array().shape[:2] == (16, 16)
    assert "errors differ most" not in all_text(figure)


def test_one_region_for_each_image(records):
    regions = [Region(x=0, y=0, width=16, height=16), None]
    figure = compare_methods(records, images=["farm01", "river01"], regions=regions)
    assert figure.axes[1].get_xlim() == (0, 16)
    assert "errors differ most" in all_text(figure)
    with pytest.raises(ConfigError, match="3 given for 2 images"):
        compare_methods(records, images=["farm01", "river01"], regions=[*regions, None])


def test_many_methods_with_long_names_stay_on_the_page_and_apart(records):
    names = [f"A_rather_long_name_of_method_{i}" for i in range(8)]
    many = [dataclasses.replace(records[i % 2], method=name) for i, name in enumerate(names)]
    figure = compare_methods(many, images=["farm01"])
    figure.canvas.draw()
    page = figure.bbox
    words = [text for text in figure.texts if text.get_text().strip()]
    boxes = [text.get_window_extent() for text in words]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= page.x1 and box.y1 <= page.y1 for box in boxes)
    pictures = [axes.get_window_extent() for axes in figure.axes]
    assert len(pictures) == 12
    assert not any(box.shrunk(0.98, 0.9).overlaps(picture) for box in boxes for picture in pictures)
    assert min(text.get_fontsize() for text in words) >= 7


def test_images_of_odd_sizes(tmp_path):
    # The ground truth has a column and three rows that no LR pixel covers.
    for method, sigma in (("A", 1.0), ("B", 2.0)):
        folder = write_evaluation(tmp_path, method, sigma, size=(72, 200), names=["wide01"])
        cut = cv2.imread(str(folder / "sr/wide01.png"))
        write_image(folder / "sr/wide01.png", cut)
    gt = make_image(0, 72, 200)
    write_image(tmp_path / "gt_Set/wide01.png", np.pad(gt, ((0, 3), (0, 1), (0, 0))))
    image = load_comparison(find_methods([tmp_path]), name="wide01", columns=[PSNR])
    assert image.hr.shape == (72, 200, 3)
    figure = compare_methods(find_methods([tmp_path]))
    assert figure.get_size_inches()[0] == WIDTH


def test_without_lr_images_lr_and_bicubic_are_left_out_and_that_is_said(tmp_path):
    write_evaluation(tmp_path, "A", 1.0, with_lq=False)
    write_evaluation(tmp_path, "B", 2.0, with_lq=False)
    figure = compare_methods(find_methods([tmp_path]), images=["farm01"])
    assert "Bicubic" not in texts(figure)
    assert "no LR image is recorded" in all_text(figure)


@pytest.mark.parametrize(
    ("method", "network", "simple"),
    [
        ("bicubic", None, True),
        ("Bicubic_x4", None, True),
        ("bicubic (2)", None, True),
        ("SeGSR_bicubic_x4", None, False),
        ("bicubic", "HAT", False),
        ("baseline", "Bicubic", True),
    ],
)
def test_bicubic_is_told_by_the_network_or_the_whole_name(tmp_path, method, network, simple):
    write_evaluation(tmp_path, "other", 1.0)
    write_evaluation(tmp_path, method, 2.0)
    options = network and f"# changed\nnetwork_g:\n  type: {network}\n"
    records = [
        each if each.method == "other" else dataclasses.replace(each, options=options)
        for each in find_methods([tmp_path])
    ]
    assert [is_bicubic(each) for each in records] == [each.method == method and simple for each in records]
    labels = [panel.label for panel in load_comparison(records, name="farm01", columns=[PSNR]).panels]
    assert labels.count("Bicubic") == (0 if simple else 1) and method in labels


def test_16_bit_and_grey_images_are_shown(tmp_path):
    def deep(image):
        return image[..., 0].astype(np.uint16) * 16 + 100

    for method, sigma in (("A", 1.0), ("B", 2.0)):
        write_evaluation(tmp_path, method, sigma, with_lq=False, change=deep)
    image = load_comparison(find_methods([tmp_path]), name="farm01", columns=[PSNR])
    assert (image.hr.min(), image.hr.max()) == (0, 255)
    assert (image.hr[..., 0] == image.hr[..., 2]).all()
    assert "16 bits" in image.notes[-1]


def test_what_does_not_fit_together_is_named(records, tmp_path):
    sr = tmp_path / "Good/evaluation/Set/sr/farm01.png"
    good = cv2.imread(str(sr))
    write_image(sr, good[:60])
    with pytest.raises(DataError, match="Good: farm01 .*60 x 64 pixels and the ground truth 64 x 64"):
        compare_methods(records, images=["farm01"])
    write_image(sr, good.astype(np.uint16) * 257)
    with pytest.raises(DataError, match="Good: farm01 .*different bits"):
        compare_methods(records, images=["farm01"])
    write_image(sr, np.dstack([good, good[..., 0]]))
    with pytest.raises(DataError, match="farm01.png: it has transparent pixels"):
        compare_methods(records, images=["farm01"])
    sr.unlink()
    with pytest.raises(DataError, match="moved or deleted"):
        compare_methods(records, images=["farm01"])


def test_other_ground_truths_are_refused(tmp_path):
    write_evaluation(tmp_path / "1", "A", 1.0)
    write_evaluation(tmp_path / "2", "B", 1.0)
    write_image(tmp_path / "2/gt_Set/farm01.png", make_image(9))
    with pytest.raises(DataError, match="farm01: A and B were evaluated against different ground truths"):
        compare_methods(find_methods([tmp_path]), images=["farm01"])


def test_names_of_images_are_checked(records, tmp_path):
    with pytest.raises(ConfigError, match="--image farm1: was not evaluated; did you mean farm01"):
        compare_methods(records, images=["farm1"])
    write_evaluation(tmp_path / "more", "Few", 1.0, names=["farm01"])
    mixed = [*records, *find_methods([tmp_path / "more"])]
    with pytest.raises(ConfigError, match="Few was not evaluated on farm02"):
        compare_methods(mixed, images=["farm02"])
    with pytest.raises(ConfigError, match="2 only in Bad"):
        compare_methods(mixed)
    assert compare_methods(mixed, images=["farm01"])


def test_missing_images_columns_and_scales_are_refused(records):
    bare = [dataclasses.replace(row, sr=None) for row in records[0].images]
    with pytest.raises(DataError, match="Bad: the SR image of farm01 was not kept"):
        compare_methods([dataclasses.replace(records[0], images=tuple(bare)), records[1]], images=["farm01"])
    with pytest.raises(ConfigError, match="--column psnr_rgb"):
        compare_methods(records, column="psnr_rgb")
    with pytest.raises(ConfigError, match="Bad x2, Good x4"):
        compare_methods([dataclasses.replace(records[0], scale=2), records[1]])
