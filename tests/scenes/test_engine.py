import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segsr_arch.inference.super_resolution import super_resolve
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.scenes import layout as layouts
from segsr_arch.scenes.engine import in_advance, super_resolved_steps
from segsr_arch.scenes.layout import SceneLayout
from segsr_arch.scenes.source.description import describe_scene
from segsr_arch.windows import Window
from tests.scenes.rasters import write_raster


def nearest(scale):
    return lambda tiles, _windows: tiles.repeat_interleave(scale, -1).repeat_interleave(scale, -2)


def opinionated(scale):
    """Depends on the whole of a tile, as a class token does, so that neighbouring tiles disagree."""
    return lambda tiles, _windows: nearest(scale)(tiles, _windows) + tiles.mean(dim=(1, 2, 3), keepdim=True)


def put_together(scene, network, layout, *, start=0, channels=3, **options):
    """What is written of every step, in its place; NaN where none is."""
    scale = layout.scale
    whole = np.full((channels, scene.height * scale, scene.width * scale), np.nan)
    for step, given_ in super_resolved_steps(scene, network, layout, channels=channels, start=start, **options):
        inner = step.inner.relative_to(step.outer).scaled(scale)
        whole[(..., *step.inner.scaled(scale).slices)] = given_[(..., *inner.slices)]
    return whole


def layout_of(scene, scale, **options):
    return SceneLayout(
        height=scene.height, width=scene.width, scale=scale, **{"tile": 24, "overlap": 8, "halo": 3, **options}
    )


@pytest.fixture
def small_blocks(monkeypatch):
    """Scenes of a hundred pixels with several strips of several steps."""
    monkeypatch.setattr(layouts, "BLOCK", 48)
    monkeypatch.setattr(layouts, "STRIP_BLOCKS", 2)


@pytest.fixture
def scene(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (3, 100, 131), dtype=np.uint8)
    return describe_scene(write_raster(tmp_path / "scene.tif", values))


@pytest.mark.parametrize(("scale", "tile", "overlap", "batch"), [(1, 24, 8, 1), (2, 24, 8, 3), (3, 40, 30, 2)])
def test_strips_and_steps_give_what_the_whole_image_gives_in_tiles(
    scene, small_blocks, tmp_path, scale, tile, overlap, batch
):
    layout = layout_of(scene, scale, tile=tile, overlap=overlap)
    assert len(layout.strips) > 1 and len(layout) > 4
    done = put_together(scene, opinionated(scale), layout, batch=batch)
    with rasterio.open(scene.path) as dataset:
        lq = torch.from_numpy(dataset.read()).float()[None] / 255
    tiles = TileOptions(size=tile, overlap=overlap)
    expected = super_resolve(lambda images: opinionated(scale)(images, None), lq, scale=scale, tile=tiles)[0]
    np.testing.assert_allclose(done, expected.numpy(), atol=1e-6)


def test_a_job_that_begins_anywhere_gives_the_same_bits(scene, small_blocks):
    layout = layout_of(scene, 2)
    whole = put_together(scene, opinionated(2), layout)
    steps = list(layout.steps())
    for start in range(1, len(layout)):
        rest = put_together(scene, opinionated(2), layout, start=start)
        for step in steps:
            place = (..., *step.inner.scaled(2).slices)
            if step.number < start:
                assert np.isnan(rest[place]).all()
            else:
                np.testing.assert_array_equal(rest[place], whole[place])


@settings(max_examples=25)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    tile=st.integers(8, 40),
    scale=st.sampled_from([1, 2, 3, 4]),
    data=st.data(),
)
def test_equal_floats_stay_that_number_and_a_nearest_neighbour_network_is_exact(
    tmp_path_factory, height, width, tile, scale, data
):
    pixels = np.random.default_rng(data.draw(st.integers(0, 9))).random((3, height, width), np.float32)
    scene = describe_scene(write_raster(tmp_path_factory.mktemp("s") / "scene.tif", pixels))
    layout = layout_of(scene, scale, tile=tile, overlap=data.draw(st.integers(0, tile - 1)), halo=1)
    done = put_together(scene, nearest(scale), layout, dtype=np.float64).astype(np.float32)
    np.testing.assert_array_equal(done, pixels.repeat(scale, 1).repeat(scale, 2))


def test_windows_without_a_valid_pixel_are_skipped_and_nothing_invalid_reaches_the_network(tmp_path, small_blocks):
    values = np.random.default_rng(1).random((3, 90, 90), np.float32)
    values[:, 10:80, :60] = np.nan
    scene = describe_scene(write_raster(tmp_path / "scene.tif", values))
    seen = []

    def network(tiles, windows):
        assert torch.isfinite(tiles).all()
        seen.extend(windows)
        return nearest(2)(tiles, windows)

    layout = layout_of(scene, 2)
    done = put_together(scene, network, layout)
    assert Window(top=32, left=16, height=24, width=24) not in seen and len(set(seen)) < len(layout.grid)
    valid = np.isfinite(values).repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(done[valid], values.repeat(2, 1).repeat(2, 2)[valid], atol=1e-6)


def test_a_grey_scene_is_given_as_three_equal_channels(tmp_path):
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    scene = describe_scene(write_raster(tmp_path / "grey.tif", values))
    done = put_together(scene, nearest(1), layout_of(scene, 1))
    np.testing.assert_allclose(done * 255, np.repeat(values, 3, axis=0), atol=1e-4)


def test_every_pixel_is_told_once_as_progress(scene, small_blocks):
    told = []
    put_together(scene, nearest(2), layout_of(scene, 2), batch=2, advance=told.append)
    assert sum(told) == scene.height * scene.width and min(told) >= 0


def test_results_are_computed_ahead_in_order_and_errors_are_passed_on():
    begun = []

    def work(item):
        begun.append(item)
        if item == 5:
            raise ValueError("five")
        return item * item

    with ThreadPoolExecutor(1) as executor:
        results = in_advance(executor, work, range(8))
        assert next(results) == 0
        done = threading.Event()
        executor.submit(done.set)
        assert done.wait(5) and begun == [0, 1, 2]
        assert [next(results) for _ in range(4)] == [1, 4, 9, 16]
        with pytest.raises(ValueError, match="five"):
            next(results)


def test_what_a_step_gives_stays_while_the_next_one_is_computed(scene, small_blocks):
    seen = []
    for _, given_ in super_resolved_steps(scene, nearest(2), layout_of(scene, 2), channels=3):
        for earlier, as_it_was in seen[-1:]:
            np.testing.assert_array_equal(earlier, as_it_was)
        seen.append((given_, given_.copy()))
    assert len(seen) > 4
