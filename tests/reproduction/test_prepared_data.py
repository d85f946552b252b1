import json
import shutil

import pytest

from segsr_arch.errors import DataError
from segsr_arch.reproduction.prepared_data import find_data
from tests.reproduction.made import prepare_images


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare_images(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def folder(prepared, tmp_path):
    """A copy that may be broken."""
    shutil.copytree(prepared, tmp_path / "data")
    return tmp_path / "data"


def find(folder, **changes):
    return find_data(folder, **{"dataset": "UCM", "scale": 4, "final_split": "test", **changes})


def change(folder, **entries):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_what_is_there(prepared, monkeypatch):
    monkeypatch.chdir(prepared.parent)
    data = find("data")
    assert data.folder == prepared.resolve() and data.kind == "folder"
    assert data.images == {"train": 14, "val": 3, "test": 3} and data.lr_size == (16, 16)
    assert data.manifest_digest == json.loads((prepared / "manifest.json").read_text())["data_digest"]
    assert len(data.used_digest) == 64


def test_the_digest_is_over_what_is_used(prepared, folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    digests = manifest["split_digests"]
    more_scales = {split: {**of_scale, "x2": "another"} for split, of_scale in digests.items()}
    change(folder, split_digests=more_scales, data_digest="of all scales")
    assert find(folder).used_digest == find(prepared).used_digest
    assert find(folder, final_split="val").used_digest != find(folder).used_digest
    change(folder, split_digests={**digests, "test": {"x4": "other images"}})
    assert find(folder).used_digest != find(prepared).used_digest
    assert find(folder, final_split="val").used_digest == find(prepared, final_split="val").used_digest


def test_without_test_images_the_error_says_what_to_give_and_what_it_means(tmp_path):
    data = prepare_images(tmp_path, test=False)
    with pytest.raises(DataError, match=r"no test images at x4.*--test-on val: then nothing is selected, and the"):
        find(data)
    assert find(data, final_split="val").images["test"] == 0


def test_what_is_not_prepared_stays_as_it_is_however_it_was_named(tmp_path, monkeypatch):
    (tmp_path / "raw").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("raw", "./raw", "../" + tmp_path.name + "/raw/"):
        with pytest.raises(DataError, match=r"segsr prepare ucmerced SRC DST --scale 4, and give --data DST$"):
            find(name)


def test_what_is_missing_is_named_with_the_command(folder, tmp_path):
    with pytest.raises(DataError, match=r"no such does not exist. Prepare.*segsr prepare ucmerced SRC .* --scale 4"):
        find(tmp_path / "no such")
    with pytest.raises(DataError, match=r"it has no manifest.json. Prepare .* SRC DST --scale \d, and give --data DST"):
        find(tmp_path)
    with pytest.raises(DataError, match=r"--data: .* has x4, not x2. .*--scale 2"):
        find(folder, scale=2)
    data = folder / "train" / "HR_x4.lmdb" / "data.mdb"
    whole = data.read_bytes()
    data.write_bytes(whole[:-4096])
    with pytest.raises(DataError, match=r"--data: .*train/HR_x4.lmdb/data.mdb: has .*, or run segsr prepare"):
        find(folder)
    data.write_bytes(whole)
    shutil.rmtree(folder / "val" / "LR_x4.lmdb")
    with pytest.raises(DataError, match=r"val/LR_x4.lmdb is missing, though the manifest lists 3 images; .*--no-lmdb"):
        find(folder)


def test_a_broken_manifest_is_named(folder):
    for text in ("{", "[]", "{}", '{"data_set": "folder", "data_digest": "", "counts": []}'):
        (folder / "manifest.json").write_text(text)
        with pytest.raises(DataError, match=r"manifest.json .*segsr prepare"):
            find(folder)


def test_the_other_data_set_is_refused_and_a_folder_may_stand_in(folder):
    change(folder, data_set="aid")
    with pytest.raises(DataError, match="holds aid, but the table is about ucmerced"):
        find(folder)
    assert find(folder, dataset="AID").kind == "aid"
