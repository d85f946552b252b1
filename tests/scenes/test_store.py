"""Rasters that grow step by step and appear whole."""

import json
import logging
import multiprocessing
import os

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from segsr_arch.errors import ConfigError, DataError, InUseError, SaveError
from segsr_arch.files import locking
from segsr_arch.scenes.output.store import SceneStore
from tests.scenes.jobs import blocks_of, commit_rest, digest, names, random_values, spec_of, write_tiled

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
HIDDEN = [".out.tif.journal", ".out.tif.tiles"]


@pytest.fixture
def values():
    return random_values(0, (2, 70, 50), "uint16")


@pytest.fixture
def dst(tmp_path):
    return tmp_path / "out.tif"


def run(dst, values, *, until=None, identity=None, overwrite=False, **settings):
    """One run of a job; ends before a row of blocks, or finishes. Returns how many steps were done before."""
    spec = spec_of(values, block=16, **settings)
    with SceneStore(dst, [spec], identity=identity or {"tile": 64}, overwrite=overwrite) as store:
        before = len(store.notes)
        if not store.done:
            commit_rest(store, [(values, spec)], until=until)
            if until is None:
                store.finish({"seconds": 1.5})
        return "done" if store.done and not until and before == 0 and not store.notes else before


def test_a_raster_appears_when_it_is_whole_with_what_made_it_beside(dst, values):
    run(dst, values, until=3)
    assert names(dst.parent) == HIDDEN
    assert run(dst, values) == 3
    assert names(dst.parent) == ["out.tif", "out.tif.json"]
    with rasterio.open(dst) as dataset:
        assert np.array_equal(dataset.read(), values)
    made = json.loads((dst.parent / "out.tif.json").read_text())
    assert made["identity"]["tile"] == 64
    assert made["report"] == {"seconds": 1.5}
    assert len(made["digest"]) == 64


def test_one_that_was_stopped_at_each_step_is_the_same_file(tmp_path, values):
    run(tmp_path / "at_once.tif", values)
    for until in range(1, 6):
        assert run(tmp_path / "in_parts.tif", values, until=until) == until - 1
    run(tmp_path / "in_parts.tif", values)
    assert digest(tmp_path / "in_parts.tif") == digest(tmp_path / "at_once.tif")


def test_notes_come_back_as_they_were(dst, values):
    run(dst, values, until=3)
    with SceneStore(dst, [spec_of(values, block=16)], identity={"tile": 64}) as store:
        assert store.notes == [{"row": row, "sum": row / 7} for row in range(3)]


def test_blocks_may_come_in_any_order(tmp_path, values):
    spec = spec_of(values, block=16)
    with SceneStore(tmp_path / "out.tif", [spec], identity={}) as store:
        for row in (4, 0, 2, 1, 3):
            store.commit([blocks_of(values, spec, row)[::-1]], {})
        store.finish({})
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert np.array_equal(dataset.read(), values)


@pytest.mark.parametrize("file", HIDDEN)
@pytest.mark.parametrize("cut", [1, 7, 40])
def test_what_was_torn_is_done_again(tmp_path, values, file, cut):
    run(tmp_path / "whole" / "out.tif", values)
    run(tmp_path / "out.tif", values, until=4)
    torn = tmp_path / file
    torn.write_bytes(torn.read_bytes()[:-cut])
    assert run(tmp_path / "out.tif", values) == 3
    assert digest(tmp_path / "out.tif") == digest(tmp_path / "whole" / "out.tif")


@pytest.mark.parametrize("file", HIDDEN)
def test_half_a_step_behind_the_last_whole_one_is_dropped(tmp_path, values, file):
    run(tmp_path / "whole" / "out.tif", values)
    run(tmp_path / "out.tif", values, until=4)
    with open(tmp_path / file, "ab") as longer:
        longer.write(b"12345678 half a step")
    assert run(tmp_path / "out.tif", values) == 4
    assert digest(tmp_path / "out.tif") == digest(tmp_path / "whole" / "out.tif")


def test_tiles_that_were_damaged_are_done_again_and_it_is_said(tmp_path, values, caplog):
    run(tmp_path / "whole" / "out.tif", values)
    run(tmp_path / "out.tif", values, until=4)
    tiles = bytearray((tmp_path / ".out.tif.tiles").read_bytes())
    tiles[len(tiles) // 2] ^= 1
    (tmp_path / ".out.tif.tiles").write_bytes(tiles)
    with caplog.at_level(logging.WARNING):
        before = run(tmp_path / "out.tif", values)
    assert before in (1, 2)
    assert f"{4 - before} of 4 steps that were done are damaged or lost" in caplog.text
    assert digest(tmp_path / "out.tif") == digest(tmp_path / "whole" / "out.tif")


def test_tiles_that_vanished_are_done_again(dst, values, caplog):
    run(dst, values, until=4)
    (dst.parent / ".out.tif.tiles").unlink()
    assert run(dst, values) == 0
    assert "4 of 4 steps" in caplog.text


def test_a_damaged_record_is_a_sentence_with_two_remedies(dst, values):
    run(dst, values, until=4)
    journal = dst.parent / ".out.tif.journal"
    journal.write_bytes(b"x" + journal.read_bytes()[1:])
    with pytest.raises(DataError, match=r"\.out\.tif\.journal: .* --overwrite, or remove it"):
        run(dst, values)
    assert run(dst, values, overwrite=True) == 0
    assert names(dst.parent) == ["out.tif", "out.tif.json"]


def test_other_settings_are_named_and_nothing_is_lost(dst, values):
    run(dst, values, until=4)
    with pytest.raises(ConfigError, match=r"out\.tif: .*tile: 64 then, 128 now.*--overwrite"):
        run(dst, values, identity={"tile": 128})
    with pytest.raises(ConfigError, match='output.raster.compress: "deflate" then, "lzw" now'):
        run(dst, values, compress="lzw")
    assert run(dst, values, until=4) == 4
    assert run(dst, values, identity={"tile": 128}, overwrite=True) == 0


def test_the_same_job_is_done_and_another_one_does_not_replace_it(dst, values):
    run(dst, values)
    first = digest(dst)
    assert run(dst, values) == "done"
    with pytest.raises(ConfigError, match=r"out\.tif exists \(tile: 64 then, 32 now\).*--overwrite"):
        run(dst, values, identity={"tile": 32})
    run(dst, values, identity={"tile": 32}, overwrite=True, until=2)
    with pytest.raises(ConfigError, match=r"out\.tif exists \(tile: 64 then, 16 now\)"):
        run(dst, values, identity={"tile": 16})
    assert run(dst, values) == "done"
    assert run(dst, values, identity={"tile": 32}, overwrite=True, until=2) == 2
    run(dst, values, overwrite=True)
    (dst.parent / "out.tif.json").unlink()
    with pytest.raises(ConfigError, match="nothing tells how it was made"):
        run(dst, values)
    assert digest(dst) == first
    assert names(dst.parent) == ["out.tif"]


def test_not_a_number_in_the_settings_is_equal_to_itself(dst, values):
    run(dst, values, identity={"nodata": float("nan")}, until=2)
    assert run(dst, values, identity={"nodata": float("nan")}) == 2
    assert run(dst, values, identity={"nodata": float("nan")}) == "done"


def test_an_older_raster_stays_until_the_new_one_is_whole(dst, values):
    run(dst, values)
    first = digest(dst)
    (dst.parent / "out.tif.aux.xml").write_text("<PAMDataset/>")
    (dst.parent / "out.tif.ovr").write_bytes(b"overviews of the older one")
    run(dst, values + 1, identity={"tile": 32}, overwrite=True, until=3)
    assert digest(dst) == first
    assert run(dst, values + 1, identity={"tile": 32}, overwrite=True) == 3  # the command as it was
    assert names(dst.parent) == ["out.tif", "out.tif.json"]
    with rasterio.open(dst) as dataset:
        assert np.array_equal(dataset.read(), values + 1)


def test_further_rasters_grow_and_appear_together(tmp_path, values):
    spread = random_values(1, (1, 70, 50), "float32")
    rasters = [(values, spec_of(values, block=16)), (spread, spec_of(spread, block=16, suffix=".spread"))]
    for until in (2, None):
        with SceneStore(tmp_path / "out.tif", [spec for _, spec in rasters], identity={}) as store:
            commit_rest(store, rasters, until=until)
            if until is None:
                store.finish({})
    assert names(tmp_path) == ["out.spread.tif", "out.tif", "out.tif.json"]
    for name, expected in (("out.tif", values), ("out.spread.tif", spread)):
        with rasterio.open(tmp_path / name) as dataset:
            assert np.array_equal(dataset.read(), expected)


@pytest.mark.parametrize("before", range(3))
def test_one_killed_between_two_names_gets_the_rest(tmp_path, values, monkeypatch, before):
    spread = random_values(1, (1, 70, 50), "float32")
    rasters = [(values, spec_of(values, block=16)), (spread, spec_of(spread, block=16, suffix=".spread"))]
    replaced, replace = [], os.replace

    def dying_replace(source, target):
        if str(source).endswith((".aside", ".tiles")):
            if len(replaced) == before:
                raise KeyboardInterrupt
            replaced.append(target)
        replace(source, target)

    def job():
        with SceneStore(tmp_path / "out.tif", [spec for _, spec in rasters], identity={}) as store:
            if not store.done:
                commit_rest(store, rasters)
                store.finish({"try": 1})
            return len(store.notes)

    monkeypatch.setattr("os.replace", dying_replace)
    with pytest.raises(KeyboardInterrupt):
        job()
    assert "out.tif" not in names(tmp_path)
    monkeypatch.undo()
    assert job() == 0  # no step was asked for
    assert names(tmp_path) == ["out.spread.tif", "out.tif", "out.tif.json"]
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert np.array_equal(dataset.read(), values)


def test_a_job_that_did_nothing_leaves_nothing(tmp_path, values):
    with (
        pytest.raises(ZeroDivisionError),
        SceneStore(tmp_path / "new/out.tif", [spec_of(values, block=16)], identity={}),
    ):
        raise ZeroDivisionError
    assert not (tmp_path / "new").exists()


def hold(dst, spec, held, end):
    with SceneStore(dst, [spec], identity={}):
        held.set()
        end.wait(60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the other process is forked")
def test_a_second_process_is_told_who_is_there(dst, values, monkeypatch):
    monkeypatch.setattr(locking, "PATIENCE", 0.1)
    forks = multiprocessing.get_context("fork")
    held, end = forks.Event(), forks.Event()
    first = forks.Process(target=hold, args=(dst, spec_of(values, block=16), held, end))
    first.start()
    try:
        assert held.wait(60)
        with pytest.raises(InUseError, match=rf"out\.tif is in use by process {first.pid}"):
            run(dst, values)
    finally:
        end.set()
        first.join()
    assert run(dst, values) == 0


def test_blocks_that_are_missing_are_no_raster(dst, values):
    spec = spec_of(values, block=16)
    with SceneStore(dst, [spec], identity={}) as store:
        commit_rest(store, [(values, spec)], until=4)
        with pytest.raises(SaveError, match=r"out\.tif: 4 of its blocks were never given"):
            store.finish({})
    assert names(dst.parent) == HIDDEN


def test_destinations_that_are_none_are_refused(tmp_path, values):
    spec = spec_of(values, block=16)
    with pytest.raises(ConfigError, match=r"out\.jp2: .*\.tif"):
        SceneStore(tmp_path / "out.jp2", [spec], identity={})
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(ConfigError, match="is a folder"):
        SceneStore(tmp_path / "folder.tif", [spec], identity={})
    write_tiled(tmp_path / "src.tif", values, block=16)
    (tmp_path / "linked.tif").symlink_to(tmp_path / "src.tif")
    (tmp_path / "hard.tif").hardlink_to(tmp_path / "src.tif")
    for name in ("src.tif", "linked.tif", "hard.tif"):
        with pytest.raises(ConfigError, match="is what is read"):
            SceneStore(tmp_path / name, [spec], identity={}, sources=[str(tmp_path / "src.tif")], overwrite=True)
    rasterio.shutil.copy(tmp_path / "src.tif", tmp_path / "virtual.vrt", driver="VRT")
    with pytest.raises(ConfigError, match=r"src\.tif is what is read"):
        SceneStore(tmp_path / "src.tif", [spec], identity={}, sources=[str(tmp_path / "virtual.vrt")], overwrite=True)
    SceneStore(tmp_path / "other.tif", [spec], identity={}, sources=[str(tmp_path / "virtual.vrt")])
