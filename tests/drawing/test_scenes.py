import cv2
import numpy as np
import pytest

from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.drawing.scenes import SCENE_KINDS, draw_scene, write_scenes
from segsr_arch.errors import DataError


@pytest.mark.parametrize("kind", SCENE_KINDS)
def test_scenes_are_seeded_and_full_of_edges(kind):
    scene = draw_scene(3, kind, 96)
    assert scene.shape == (96, 96, 3) and scene.dtype == np.uint8
    assert np.array_equal(scene, draw_scene(3, kind, 96))
    assert not np.array_equal(scene, draw_scene(4, kind, 96))
    # Reduced by four and enlarged again a scene loses much, but far from everything: there is something to learn.
    back = cv2.resize(make_lr(scene, 4), (96, 96), interpolation=cv2.INTER_CUBIC)
    psnr = 10 * np.log10(255**2 / np.mean((scene.astype(float) - back) ** 2))
    assert 14 < psnr < 32


def test_kinds_differ():
    scenes = [draw_scene(0, kind, 32) for kind in SCENE_KINDS]
    assert len({scene.tobytes() for scene in scenes}) == len(SCENE_KINDS)


def test_scenes_are_written_into_class_folders(tmp_path):
    paths = write_scenes(tmp_path / "scenes", 7, 32, 5)
    assert [path.relative_to(tmp_path / "scenes").as_posix() for path in paths] == [
        "farmland/farmland00.png",
        "farmland/farmland01.png",
        "freeway/freeway00.png",
        "freeway/freeway01.png",
        "harbor/harbor00.png",
        "parking/parking00.png",
        "residential/residential00.png",
    ]
    assert np.array_equal(cv2.imread(str(paths[-1]))[:, :, ::-1], draw_scene(5000, "residential", 32))
    again = [path.read_bytes() for path in paths]
    assert again == [path.read_bytes() for path in write_scenes(tmp_path / "scenes", 7, 32, 5)]


def test_wrong_arguments_are_named(tmp_path):
    with pytest.raises(DataError, match="'moon'.*farmland"):
        draw_scene(0, "moon")
    with pytest.raises(DataError, match="8 pixels"):
        draw_scene(0, "harbor", 8)
    with pytest.raises(DataError, match="at least one"):
        write_scenes(tmp_path, 0, 64, 0)
