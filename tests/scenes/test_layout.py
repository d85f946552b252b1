import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segsr_arch.scenes.layout import BLOCK, STRIP_BLOCKS, SceneLayout, block_side


@st.composite
def layouts(draw):
    tile = draw(st.integers(24, 90))
    return SceneLayout(
        height=draw(st.integers(1, 300)),
        width=draw(st.one_of(st.integers(1, 700), st.integers(6000, 7000))),
        scale=draw(st.sampled_from([1, 2, 3, 4, 8])),
        tile=tile,
        overlap=draw(st.integers(0, tile // 2)),
        halo=draw(st.integers(0, 30)),
    )


@settings(max_examples=60)
@given(layouts())
def test_steps_cover_the_scene_once_in_whole_blocks(layout):
    steps = list(layout.steps())
    assert len(steps) == len(layout) and [step.number for step in steps] == list(range(len(layout)))
    assert sum(step.inner.height * step.inner.width for step in steps) == layout.height * layout.width
    for step in steps:
        out = step.inner.scaled(layout.scale)
        assert out.top % layout.block == 0 and out.left % layout.block == 0 and out.height <= layout.block
        assert out.width <= STRIP_BLOCKS * layout.block
        assert step.outer == step.inner.grown(layout.halo, within=layout.whole)


@settings(max_examples=30)
@given(layouts(), st.data())
def test_every_window_that_reaches_into_a_step_is_computed_for_it_wherever_one_begins(layout, data):
    start = data.draw(st.integers(0, len(layout) - 1))
    computed, end = [], 0
    for step in layout.steps(start):
        if not step.continues:
            computed, end = [], step.first_row
        for row in range(end, step.end_row):
            computed += layout.windows(row, step.outer)
        end = step.end_row
        needed = {window for window in layout.grid if window.intersection(step.outer) is not None}
        assert needed <= set(computed) and len(set(computed)) == len(computed)
        if step.number > start + 3:
            break


def test_memory_does_not_grow_with_the_scene():
    layouts_ = [
        SceneLayout(height=side, width=side, scale=4, tile=64, overlap=16, halo=3) for side in (2_000, 20_000, 200_000)
    ]
    assert {max(step.outer.width for step in layout.steps()) for layout in layouts_[:2]} == {1024 + 3, 1024 + 6}
    assert all(max(strip.width for strip in layout.strips) == STRIP_BLOCKS * BLOCK // 4 for layout in layouts_)


@pytest.mark.parametrize(("scale", "longest", "side"), [(1, 9999, 512), (3, 9999, 480), (4, 100, 112), (4, 1, 16)])
def test_blocks_are_multiples_of_the_scale_and_of_sixteen(scale, longest, side):
    assert block_side(scale, longest=longest) == side


def test_windows_of_two_strips_are_counted_twice():
    layout = SceneLayout(height=64, width=4000, scale=4, tile=64, overlap=16, halo=0)
    assert len(layout.strips) == 4
    assert len(layout.grid) < layout.count_windows() < 1.08 * len(layout.grid)
