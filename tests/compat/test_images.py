import pickle

import cv2
import numpy as np
import pytest
import torch
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.data.single_image_dataset import SingleImageDataset
from basicsr.utils import imfrombytes

from segsr_arch.errors import DataError
from segsr_arch.images.errors import ImageReadError
from tests.compat.helpers import make_lmdb, make_pairs, paired_options, train, write_options
from tests.support import make_image, write_image


@pytest.fixture
def pairs(tmp_path):
    return make_pairs(tmp_path, 6)


def break_image(folder):
    path = folder / "3.png"
    path.write_bytes(path.read_bytes()[:100])
    return path


def test_stock_gives_an_error_without_a_name(stock):
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'astype'"):
        stock("basicsr.utils.img_util").imfrombytes(b"no image", float32=True)


@pytest.mark.parametrize("content", [b"no image", b""])
@pytest.mark.parametrize("float32", [True, False])
def test_bytes_that_do_not_decode(content, float32):
    with pytest.raises(DataError, match="does not decode"):
        imfrombytes(content, float32=float32)


def test_images_decode_as_before(tmp_path, stock):
    content = write_image(tmp_path / "a.png", make_image(0)).read_bytes()
    old = stock("basicsr.utils.img_util").imfrombytes
    for arguments in ({}, {"float32": True}, {"flag": "grayscale"}, {"flag": "unchanged", "float32": True}):
        new = imfrombytes(content, **arguments)
        assert new.dtype == old(content, **arguments).dtype
        assert np.array_equal(new, old(content, **arguments))


@pytest.mark.parametrize("kind", ["gt", "lq"])
def test_paired_data_set_names_the_broken_file(pairs, kind):
    path = break_image(pairs[kind == "lq"])
    dataset = PairedImageDataset(paired_options(*pairs))
    index = next(i for i, paths in enumerate(dataset.paths) if paths[f"{kind}_path"] == str(path))
    with pytest.raises(DataError, match=rf"^{path} does not decode"):
        dataset[index]


def test_single_image_data_set_names_the_broken_file(pairs):
    path = break_image(pairs[1])
    options = {"io_backend": {"type": "disk"}, "dataroot_lq": str(pairs[1])}
    with pytest.raises(DataError, match=str(path)):
        list(SingleImageDataset(options))


def test_lmdb_names_key_and_folder(pairs, tmp_path):
    break_image(pairs[1])
    folders = [make_lmdb(folder, tmp_path / f"{folder.name}.lmdb") for folder in pairs]
    with pytest.raises(DataError, match=rf"3 in {folders[1]} does not decode"):
        list(PairedImageDataset(paired_options(*folders)))


def test_key_that_is_missing_in_the_lmdb(pairs, tmp_path):
    folders = [make_lmdb(folder, tmp_path / f"{folder.name}.lmdb") for folder in pairs]
    for folder in folders:
        with open(folder / "meta_info.txt", "a") as file:
            file.write("absent.png (0,0,3) 1\n")
    with pytest.raises(DataError, match=rf"no absent in {folders[0]}.*meta_info"):
        list(PairedImageDataset(paired_options(*folders)))


def test_message_from_a_worker_is_ours_alone(pairs, deadline):
    path = break_image(pairs[0])
    dataset = PairedImageDataset(paired_options(*pairs))
    with pytest.raises(ImageReadError) as caught:
        list(torch.utils.data.DataLoader(dataset, num_workers=1))
    assert str(caught.value).startswith(f"{path} does not decode")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("mode", [None, "cpu"])
def test_training_stops_and_names_the_image(pairs, tmp_path, monkeypatch, deadline, mode, workers):
    loader = {"prefetch_mode": mode, "num_worker_per_gpu": workers, "batch_size_per_gpu": 1}
    options = write_options(tmp_path / "a.yml", *pairs, iterations=6, train=loader)
    path = break_image(pairs[0])
    with pytest.raises(DataError, match=rf"^{path} does not decode"):
        train(monkeypatch, tmp_path, "-opt", options)


def test_workers_convert_as_the_data_set_was_asked_to(pairs, deadline):
    def whole(**asked):
        return PairedImageDataset({**paired_options(*pairs), "phase": "val", **asked})

    expected = list(whole())
    for folder in pairs:
        for path in folder.iterdir():
            write_image(path, cv2.imread(str(path)).astype(np.uint16) * 16)
    dataset = whole(value_range=[0, 4080])
    for item, batch in zip(expected, torch.utils.data.DataLoader(dataset, num_workers=2), strict=True):
        assert torch.equal(batch["lq"][0], item["lq"]) and torch.equal(batch["gt"][0], item["gt"])
    with pytest.raises(DataError, match=r"16 bits a sample; say with value_range: \[LO, HI\]"):
        next(iter(torch.utils.data.DataLoader(whole(), num_workers=1)))
