"""Names and disks that have no room."""

import errno

import pytest

from segsr_arch.errors import ConfigError, SaveError
from segsr_arch.scenes.output.store import SceneStore
from tests.scenes.jobs import blocks_of, commit_rest, digest, names, random_values, spec_of, write_tiled

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def values():
    return random_values(0, (1, 150, 130), "uint8")


class Full:
    """A file that takes no more, however often it is told."""

    def __init__(self, file):
        self._file = file

    def write(self, data):
        return len(data)

    def flush(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self):
        self._file.close()
        self.flush()

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_a_disk_that_is_full_at_the_record_names_the_file_and_says_that_work_is_kept(tmp_path, values):
    spec = spec_of(values, block=64)
    with (
        pytest.raises(SaveError, match=r"out\.tif: cannot be written: No space left .*MB free in .*is kept"),
        SceneStore(tmp_path / "out.tif", [spec], identity={}) as store,
    ):
        store.commit([blocks_of(values, spec, 0)], {})
        store._journal._file = Full(store._journal._file)
        store.commit([blocks_of(values, spec, 1)], {})
    with SceneStore(tmp_path / "out.tif", [spec], identity={}) as store:
        assert len(store.notes) == 1


def test_a_file_that_cannot_be_closed_is_named(tmp_path, values):
    with (
        pytest.raises(SaveError, match=r"out\.tif: cannot be written: .*MB free in .*is kept"),
        SceneStore(tmp_path / "out.tif", [spec_of(values, block=64)], identity={}) as store,
    ):
        store._tiled[0]._file = Full(store._tiled[0]._file)


@pytest.mark.parametrize("cog", [True, False])
@pytest.mark.parametrize("length", [200, 240, 247])
def test_a_long_name_is_written_like_a_short_one(tmp_path, values, length, cog):
    name = f"{'n' * (length - 4)}.tif"
    settings = {
        "block": 64,
        "cog": cog,
        "mask": lambda window: random_values(0, (window.height, window.width), "int8") > 0,
    }
    spec = spec_of(values, **settings)
    with SceneStore(tmp_path / name, [spec], identity={}) as store:
        commit_rest(store, [(values, spec)], until=1)
    with SceneStore(tmp_path / name, [spec], identity={}) as store:
        assert len(store.notes) == 1
        commit_rest(store, [(values, spec)])
        store.finish({})
    assert names(tmp_path) == [name, f"{name}.json"]
    write_tiled(tmp_path / "short.tif", values, **settings)
    assert digest(tmp_path / name) == digest(tmp_path / "short.tif")


@pytest.mark.parametrize(("length", "excess", "suffix"), [(248, 1, ""), (255, 8, ""), (241, 1, ".spread")])
def test_a_name_that_is_too_long_for_what_lies_beside_it_is_refused_at_once(tmp_path, values, length, excess, suffix):
    specs = [spec_of(values, block=64), spec_of(values, block=64, suffix=suffix)]
    with pytest.raises(
        ConfigError, match=rf"nn{suffix}\.tif: the name is too long .*by {excess} bytes; choose a shorter"
    ):
        SceneStore(tmp_path / f"{'n' * (length - 4)}.tif", specs, identity={})
    assert names(tmp_path) == []
