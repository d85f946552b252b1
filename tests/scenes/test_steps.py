import numpy as np
import pytest

from segsr_arch.scenes import layout as layouts
from segsr_arch.scenes.layout import SceneLayout
from segsr_arch.scenes.pieces import Piece
from segsr_arch.scenes.source.description import describe_scene
from segsr_arch.scenes.steps import run_steps
from tests.scenes.rasters import write_raster


class Store:
    """Remembers what is committed, and fails at one step."""

    def __init__(self, dst, fails_at=None):
        self.dst, self.notes, self.fails_at = dst, [], fails_at

    def commit(self, blocks, note):
        if len(self.notes) == self.fails_at:
            raise OSError("disk full")
        self.notes.append(note)


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setattr(layouts, "BLOCK", 16)
    src = write_raster(tmp_path / "scene.tif", np.full((3, 160, 20), 100, "uint8"))
    layout = SceneLayout(height=160, width=20, scale=1, tile=16, overlap=4, halo=2)
    return describe_scene(src), layout


def run(job, store, finish):
    scene, layout = job
    run_steps(scene, lambda tiles, _: tiles, layout, store, finish, channels=3, batch=2, shown=False)


def numbered(step, _given):
    return Piece(blocks=[], note=lambda: {"step": step.number})


def test_steps_are_committed_in_their_order_and_each_says_its_time(job, tmp_path):
    store = Store(tmp_path / "up.tif")
    run(job, store, numbered)
    assert [note["step"] for note in store.notes] == list(range(len(job[1]))) and len(store.notes) > 8
    assert all(note["seconds"] >= 0 for note in store.notes)


def test_no_step_is_committed_behind_one_that_was_not(job, tmp_path):
    store = Store(tmp_path / "up.tif", fails_at=3)
    with pytest.raises(OSError, match="disk full"):
        run(job, store, numbered)
    assert [note["step"] for note in store.notes] == [0, 1, 2]

    def broken(step, given):
        if step.number == 4:
            raise ValueError("no piece")
        return numbered(step, given)

    def unmeasured(step, _given):
        return Piece(blocks=[], note=lambda: {"step": step.number, "share": 1 / (step.number - 4)})

    for finish, error in ((broken, ValueError), (unmeasured, ZeroDivisionError)):
        store = Store(tmp_path / "up.tif")
        with pytest.raises(error):
            run(job, store, finish)
        assert [note["step"] for note in store.notes] == [0, 1, 2, 3]


def test_it_goes_on_behind_what_is_done(job, tmp_path):
    store = Store(tmp_path / "up.tif")
    store.notes = [{"step": number} for number in range(4)]
    run(job, store, numbered)
    assert [note["step"] for note in store.notes] == list(range(len(job[1])))
