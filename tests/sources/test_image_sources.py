import zipfile

import pytest

from segsr_arch.errors import DataError
from segsr_arch.preparation.run import prepare
from segsr_arch.preparation.source_images import common_depth
from segsr_arch.preparation.splits import published_lists
from segsr_arch.sources.image_sources import ImageSource, is_image_path
from tests.preparation.test_preparation import options
from tests.support import make_image, write_image


@pytest.mark.parametrize("wrap", ["", "Images", "UCMerced_LandUse/Images", "download/UCMerced_LandUse/Images"])
@pytest.mark.parametrize("packed", [False, True])
def test_ucmerced_is_found_at_any_level(tmp_path, wrap, packed):
    names = {"airplane/airplane00": "test", "airplane/airplane28": "val", "beach/beach03": "train"}
    for seed, name in enumerate(names):
        write_image(tmp_path / "src" / wrap / f"{name}.tif", make_image(seed))
    (tmp_path / "src/readme.txt").write_text("not beside the classes, unless they lie at the top")
    source = tmp_path / "src"
    if packed:
        source = tmp_path / "UCMerced_LandUse.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for path in sorted((tmp_path / "src").rglob("*.*")):
                archive.write(path, path.relative_to(tmp_path / "src"))
    outcome = prepare(options(source, tmp_path / "dst", data_set="ucmerced", split_files=published_lists("ucmerced")))
    splits = {entry["listed"]: entry["split"] for entry in outcome.manifest["images"]}
    assert splits.keys() == names.keys()
    assert splits["airplane/airplane00"] == published("airplane/airplane00")
    assert len(outcome.missing) == 2097
    assert [problem.file for problem in outcome.problems.items] == ([] if wrap else ["readme.txt"])


def published(name):
    return next(split for split, path in published_lists("ucmerced").items() if name in path.read_text().split())


def test_aid_is_split_four_to_one_in_each_class(tmp_path):
    for group in ("Airport", "BareLand"):
        for number in range(1, 21):
            write_image(
                tmp_path / f"AID/{group}/{group.lower()}_{number}.jpg", make_image(number + 100 * len(group), 40, 40)
            )
    outcome = prepare(options(tmp_path / "AID", tmp_path / "dst", data_set="aid", val=5.0, test=0.2))
    for split, count in {"train": 11, "val": 5, "test": 4}.items():
        assert outcome.manifest["counts"][split]["by_class"] == {"Airport": count, "BareLand": count}


def test_common_folders_are_no_classes():
    assert common_depth(["a/b/1.png", "a/c/1.png"]) == 1
    assert common_depth(["a/b/1.png", "a/b/2.png"]) == 2
    assert common_depth(["1.png", "a/2.png"]) == 0
    assert common_depth([]) == 0


def test_image_paths():
    assert is_image_path("a/b.TIF") and is_image_path("a.jpeg")
    assert not is_image_path("a/._b.tif") and not is_image_path("__MACOSX/a/b.tif") and not is_image_path("b.txt")


def test_a_file_that_is_no_archive_is_named(tmp_path):
    path = tmp_path / "AID.zip"
    path.write_text("404 not found")
    with pytest.raises(DataError, match=r"AID\.zip: not a readable \.zip archive"):
        ImageSource(path)
