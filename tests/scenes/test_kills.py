"""Scenes whose process is killed at any moment: the next one goes on, and the file is the same byte for byte."""

import os
import random
import signal
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest

from segsr_arch.scenes import upscale
from segsr_arch.scenes.output.journal import Journal
from tests.campaign.children import in_child
from tests.scenes.jobs import digest, names
from tests.scenes.rasters import write_raster

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills processes as Linux does")
KILLS = 20
SIZE = (3, 2000, 40)  # of which a row of blocks is 256 rows


def slow_nearest(log, tiles):
    """Enlarge twice, not at once, and note how many tiles were given."""
    with open(log, "a") as file:
        file.write("x" * len(tiles))
    time.sleep(0.004)
    return tiles.repeat_interleave(2, -1).repeat_interleave(2, -2)


def upscale_and_die(src, dst, log, *, after=None):
    """Upscale, and note how long it took; the process is killed so many seconds after it has begun, unless it ended."""
    begin = time.monotonic()
    if after is not None:
        threading.Timer(after, os.kill, (os.getpid(), signal.SIGKILL)).start()
    upscale(src, dst, partial(slow_nearest, log), tile=32, overlap=8, cog=False)
    log.with_name("seconds").write_text(str(time.monotonic() - begin))
    return 0


def steps_done(dst):
    """How many steps are recorded; none if there is no record."""
    try:
        journal = Journal(dst.with_name(f".{dst.name}.journal"))
    except FileNotFoundError:
        return 0
    journal.close()
    return len(journal.records)


@pytest.mark.slow
def test_a_job_that_is_killed_again_and_again_gives_the_same_file_and_does_little_twice(tmp_path):
    src = write_raster(tmp_path / "scene.tif", np.random.default_rng(0).integers(1, 255, SIZE, "uint8"), nodata=0)
    whole, dst, log = tmp_path / "whole.tif", tmp_path / "in_parts/up.tif", tmp_path / "log"
    assert in_child(upscale_and_die, src, whole, log, cwd=tmp_path, seconds=120).code == 0
    seconds, once = float((tmp_path / "seconds").read_text()), log.stat().st_size
    dice, kills, finished, done = random.Random(0), 0, 0, 0
    while kills < KILLS:
        log.unlink(missing_ok=True)
        after = dice.uniform(0, seconds / 2)
        ended = in_child(partial(upscale_and_die, after=after), src, dst, log, cwd=tmp_path, seconds=120)
        assert ended.code in (0, -signal.SIGKILL), ended.output
        if ended.code == 0 or dst.exists():  # it may be killed behind the last step
            assert digest(dst) == digest(whole)
            finished += 1
            for path in dst.parent.iterdir():
                path.unlink()
            done = 0
            continue
        kills += 1
        assert steps_done(dst) >= done, "what is done stays done"
        done = steps_done(dst)
        assert all(name.startswith(".") for name in names(dst.parent)), "all that is there is hidden"
    log.unlink(missing_ok=True)
    assert in_child(upscale_and_die, src, dst, log, cwd=tmp_path, seconds=120).code == 0
    assert digest(dst) == digest(whole)
    assert names(dst.parent) == ["up.tif", "up.tif.json"]
    if done:
        assert log.stat().st_size < once
    assert finished < KILLS, "jobs that are never interrupted show nothing"
