from dataclasses import replace

import numpy as np
import pytest

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.figures.maps_comparison import ComparedMaps, NetworkMaps, compare_maps, draw_compared_maps
from segsr_arch.evaluation.figures.style import WIDTH
from segsr_arch.evaluation.map_statistics import MapStatistics, map_statistics
from segsr_arch.evaluation.saved_evaluations import find_methods
from tests.evaluation.figures.records import all_text, texts, write_evaluation
from tests.support import make_image


@pytest.fixture
def records(tmp_path):
    """Two guided networks: the maps of the first rise together, of the second one falls and one is noise."""
    for name, units in (("paper", 2), ("improved", 3)):
        folder = write_evaluation(tmp_path, name, 1.0, units=units, vlm="ViT with weights random(0)")
        for seed, path in enumerate(sorted((folder / "maps").iterdir())):
            ramp = np.linspace(-0.1, 0.1 * (seed + 1), 16).reshape(4, 4)
            noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (4, 4))
            maps = [ramp, ramp / 2 + 0.3] if units == 2 else [ramp, -ramp, noise]
            np.savez(path, maps=np.array(maps, np.float16), cells_per_pixel=np.float64(0.25))
    return find_methods([tmp_path / "paper", tmp_path / "improved"])


def maps_of(figure):
    return [axes.images[0] for axes in figure.axes if axes.images and axes.images[0].get_array().ndim == 2]


def test_beside_each_network_stands_what_its_units_have_in_common(records):
    figure = compare_maps(records)
    words = texts(figure)
    first, second = (words.index(name) for name in ("paper", "improved"))
    assert words[first + 1 : first + 5] == ["correlation of units", "  1.00 (least 1.00)", "deviation", "  0.069"]
    between = float(words[second + 2].split()[0].replace("−", "-"))
    assert -0.7 < between < 0 and words[second + 2].endswith("(least −1.00)")
    assert [float(words[first + 4]), float(words[second + 4])] == pytest.approx(
        [map_statistics(np_maps(record)).deviation for record in records], abs=6e-4
    )
    assert "RANDOM weights: paper, improved. Their maps carry no semantic knowledge." in all_text(figure)
    assert "over pairs and 3 images" in all_text(figure) and "the one whose maps vary most" in all_text(figure)


def np_maps(record):
    import torch

    for row in record.images:
        yield torch.from_numpy(np.load(row.maps.path)["maps"].astype(np.float32))


def test_each_network_has_a_scale_of_its_own_deviations_and_maps_lose_their_mean(records):
    figure = compare_maps(records, images=["farm02", "river01"])
    shown = maps_of(figure)
    assert len(shown) == 2 * (2 + 3) and {image.get_clim() for image in shown} == {(-2.5, 2.5)}
    for image in shown:
        assert abs(image.get_array().mean()) < 1e-5
    first, second = (image.get_array().std() for image in shown[:2])  # one varies twice as much as the other
    assert first == pytest.approx(2 * second, rel=0.01) and first**2 + second**2 == pytest.approx(2, rel=1e-4)
    assert {"farm02", "river01", "LR"} <= set(texts(figure))


@pytest.mark.parametrize("units", [(1,), (4, 6, 4), (10, 2)])
def test_any_number_of_networks_and_units_fits_the_page(units):
    generator = np.random.default_rng(0)
    networks = tuple(
        NetworkMaps(
            name="EDSR_u4_identity-standardised_UCM_x4_scene_vit.safetensors_seed0",
            statistics=MapStatistics(correlation=None, least=None, deviation=0.0),
            maps=generator.uniform(-1, 1, (count, 12, 18)).astype(np.float32) * (count != 2),
        )
        for count in units
    )
    image = ComparedMaps(name="farm01", lr=make_image(0, 12, 18), networks=networks)
    figure = draw_compared_maps([image, image], caption="word " * 60)
    figure.canvas.draw()
    assert figure.get_size_inches()[0] <= WIDTH + 1e-9
    for artist in [*figure.texts, *figure.axes]:
        box = artist.get_window_extent()
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
    boxes = [axes.get_position() for axes in figure.axes]
    assert not any(one.overlaps(other) for number, one in enumerate(boxes) for other in boxes[:number])


def test_networks_without_maps_or_of_other_images_are_refused(records, tmp_path):
    write_evaluation(tmp_path, "plain", 1.0)
    write_evaluation(tmp_path, "other", 1.0, units=2, names=("farm01", "farm09"))
    with pytest.raises(DataError, match="plain on Set: no image has guidance maps and an LR image on the disk"):
        compare_maps([records[0], *find_methods([tmp_path / "plain"])])
    with pytest.raises(ConfigError, match="paper and other cannot be compared"):
        compare_maps([records[0], *find_methods([tmp_path / "other"])])
    with pytest.raises(ConfigError, match="--image farm07: was not evaluated"):
        compare_maps(records, images=["farm07"])


def without_maps(record, *names):
    """The evaluation as if maps of some images had not been kept."""
    return replace(record, images=tuple(replace(row, maps=None) if row.name in names else row for row in record.images))


def test_an_image_of_which_one_network_has_no_maps_is_named_with_it(records):
    first, second = records
    message = "--image river01: improved on Set has no guidance maps or no LR image of it .* such as farm01"
    with pytest.raises(DataError, match=message):
        compare_maps([first, without_maps(second, "river01")], images=["farm01", "river01"])
    with pytest.raises(DataError, match="--image farm02: paper on Set has no guidance maps"):
        compare_maps([without_maps(first, "farm02"), second], images=["farm02"])
    assert "farm02" in texts(compare_maps([without_maps(first, "river01"), without_maps(second, "farm01")]))


def test_networks_that_have_maps_of_no_image_in_common_are_refused(records):
    first, second = without_maps(records[0], "farm01"), without_maps(records[1], "farm02", "river01")
    with pytest.raises(DataError, match="paper, improved on Set: there is no image of which all have guidance maps"):
        compare_maps([first, second])
    with pytest.raises(DataError, match="there is no image of which all"):
        compare_maps([first, second], images=["farm01"])
