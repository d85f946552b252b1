"""Jobs that are killed without warning, or whose disk is full, at any moment."""

import errno
import multiprocessing
import os
import random
import resource
import time

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from segsr_arch.errors import SaveError
from segsr_arch.scenes.output import journal, sidecar
from segsr_arch.scenes.output.metadata import BandMetadata, SceneMetadata
from segsr_arch.scenes.output.store import SceneStore
from tests.scenes.jobs import blocks_of, digest, names, random_values, spec_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="jobs are forked"),
]
KILLS = {True: 20, False: 10}
"""By whether the raster becomes a cloud-optimized one."""
ROWS = 6
BLOCK = 64


def even_columns(window):
    return (np.arange(window.left, window.right) % 2 == 0)[None].repeat(window.height, axis=0)


def rasters(cog):
    """A raster with a mask, a description and nodata values that differ, and a further one."""
    values = random_values(0, (2, ROWS * BLOCK, 300), "uint16")
    bands = (BandMetadata(description="first", nodata=1.0), BandMetadata(description="second", nodata=2.0))
    said = SceneMetadata(crs=CRS.from_epsg(32633), transform=Affine(10, 0, 5e5, 0, -10, 5e6), bands=bands)
    spread = random_values(1, (1, ROWS * BLOCK, 300), "float32")
    main = spec_of(values, block=BLOCK, cog=cog, metadata=said, mask=even_columns)
    return [(values, main), (spread, spec_of(spread, block=BLOCK, cog=cog, suffix=".spread"))]


def job(dst, cog, told=None):
    """Do what is left; tells how many steps were found done, and of each step when it was committed."""
    made = rasters(cog)
    with SceneStore(dst, [spec for _, spec in made], identity={"cog": cog}) as store:
        if told is not None:
            told.send(("found", ROWS if store.done else len(store.notes)))
        for row in range(len(store.notes), 0 if store.done else ROWS):
            store.commit([blocks_of(values, spec, row) for values, spec in made], {"row": row})
            if told is not None:
                told.send(("committed", row + 1))
        if not store.done:
            store.finish({})


def result(folder):
    """Checksums of what a job has written."""
    return {name: digest(folder / name) for name in names(folder)}


def child(function, *args):
    """Start a function in a process of its own; it is told where to send what it finds out."""
    forks = multiprocessing.get_context("fork")
    receiver, sender = forks.Pipe(duplex=False)
    process = forks.Process(target=function, args=(*args, sender))
    process.start()
    sender.close()
    return process, receiver


def heard(receiver):
    """All that a process has sent until it ended."""
    found = []
    try:
        while True:
            found.append(receiver.recv())
    except EOFError:
        return found


@pytest.mark.parametrize("cog", [True, False])
def test_a_job_that_is_killed_at_any_moment_ends_the_same_and_does_no_step_twice(tmp_path, cog):
    start = time.monotonic()
    process, receiver = child(job, tmp_path / "whole/out.tif", cog)
    process.join()
    seconds = time.monotonic() - start
    assert process.exitcode == 0
    expected = result(tmp_path / "whole")
    assert sorted(expected) == ["out.spread.tif", "out.tif", "out.tif.aux.xml", "out.tif.json"]
    dice, kills, attempts = random.Random(f"kills {cog}"), 0, 0
    while kills < KILLS[cog]:
        folder, committed = tmp_path / f"job{attempts}", 0
        attempts += 1
        while True:
            process, receiver = child(job, folder / "out.tif", cog)
            process.join(dice.uniform(0, seconds))
            process.kill()
            process.join()
            for what, steps in heard(receiver):
                if what == "found":
                    assert steps >= committed
                committed = max(committed, steps)
            if process.exitcode == 0:
                break
            kills += 1
            if (folder / "out.tif").exists():
                assert digest(folder / "out.tif") == expected["out.tif"]
        assert result(folder) == expected


def limited_job(dst, cog, size, told):
    """A job whose files may have so many bytes; tells its error."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        job(dst, cog)
    except SaveError as error:
        told.send(str(error))


@pytest.mark.parametrize("cog", [True, False])
def test_a_disk_that_is_full_is_a_sentence_and_the_job_goes_on(tmp_path, cog):
    job(tmp_path / "whole/out.tif", cog)
    expected = result(tmp_path / "whole")
    size = (tmp_path / "whole/out.tif").stat().st_size
    sizes = [20, 5000, *range(size // 4, size - 4096, size // 4), *range(size - 4096, size, 1024)]
    for number, limit in enumerate(sizes):
        folder = tmp_path / f"job{number}"
        process, receiver = child(limited_job, folder / "out.tif", cog, limit)
        (message,) = heard(receiver)
        process.join()
        assert process.exitcode == 0
        assert f"{folder / 'out.tif'}: cannot be written: " in message or "Cannot write" in message
        assert "MB free" in message
        assert not (folder / "out.tif").exists()
        assert not (folder / "out.spread.tif").exists()
        job(folder / "out.tif", cog)
        assert result(folder) == expected


def test_a_line_of_the_journal_that_has_no_room_is_a_step_that_is_not_done(tmp_path, monkeypatch):
    job(tmp_path / "whole/out.tif", False)
    append = journal.Journal.append

    def full(self, content):
        if len(self.records) == 3:
            self._file.write(b"0123abcd {half")
            self._file.flush()
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, content)

    monkeypatch.setattr(journal.Journal, "append", full)
    with pytest.raises(
        SaveError, match=r"out\.tif: cannot be written: No space left on device .*it goes on from there"
    ):
        job(tmp_path / "out.tif", False)
    monkeypatch.undo()
    made = rasters(False)
    with SceneStore(tmp_path / "out.tif", [spec for _, spec in made], identity={"cog": False}) as store:
        assert len(store.notes) == 3
    job(tmp_path / "out.tif", False)
    assert digest(tmp_path / "out.tif") == digest(tmp_path / "whole/out.tif")


def test_a_small_file_that_has_no_room_keeps_the_raster_hidden(tmp_path, monkeypatch):
    def full(path, content):
        raise SaveError(f"Cannot write {path}: No space left on device")

    monkeypatch.setattr(sidecar, "write_json", full)
    with pytest.raises(SaveError, match="No space left"):
        job(tmp_path / "out.tif", True)
    assert not (tmp_path / "out.tif").exists()
    monkeypatch.undo()
    job(tmp_path / "out.tif", True)
    assert (tmp_path / "out.tif.json").exists()
