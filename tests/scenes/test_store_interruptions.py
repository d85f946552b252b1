"""What happens to work that was done when the next run of the same job ends before its first step."""

import errno

import pytest

from segsr_arch.errors import SaveError
from segsr_arch.scenes.output.store import SceneStore
from segsr_arch.scenes.output.tiled_file import TiledFile
from tests.scenes.jobs import digest, random_values, spec_of
from tests.scenes.test_store import run

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def values():
    return random_values(0, (2, 70, 50), "uint16")


@pytest.mark.parametrize(
    ("error", "told"), [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(errno.EIO, "I/O"), SaveError)]
)
@pytest.mark.parametrize("method", ["__init__", "checksums", "restore"])
def test_what_was_done_outlives_a_run_that_ends_while_it_is_looked_at(
    tmp_path, values, monkeypatch, method, error, told
):
    run(tmp_path / "whole/out.tif", values)
    run(tmp_path / "out.tif", values, until=3)

    def ends(*_, **__):
        raise error

    monkeypatch.setattr(TiledFile, method, ends)
    with pytest.raises(told):
        run(tmp_path / "out.tif", values)
    monkeypatch.undo()
    assert run(tmp_path / "out.tif", values) == 3
    assert digest(tmp_path / "out.tif") == digest(tmp_path / "whole/out.tif")


def test_how_much_was_checked_is_shown(tmp_path, values, capsys):
    run(tmp_path / "out.tif", values, until=3)
    size = (tmp_path / ".out.tif.tiles").stat().st_size - 16
    with SceneStore(tmp_path / "out.tif", [spec_of(values, block=16)], identity={"tile": 64}, shown=True):
        pass
    assert f"check: 100% {size / 1000:.2f}k/{size / 1000:.2f}k" in capsys.readouterr().err
    with SceneStore(tmp_path / "new.tif", [spec_of(values, block=16)], identity={}, shown=True):
        assert "check" not in capsys.readouterr().err
