import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import lmdb
import pytest
import torch
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.utils.file_client import FileClient

from segsr_arch.sources import lmdb_environments
from tests.compat.helpers import make_lmdb, make_pairs, paired_options


@pytest.fixture
def folders(tmp_path):
    return [make_lmdb(folder, tmp_path / f"{folder.name}.lmdb") for folder in make_pairs(tmp_path, 2)]


@pytest.fixture
def opened(monkeypatch):
    """List that each opening of an environment is noted in."""
    paths, real = [], lmdb.open
    monkeypatch.setattr(
        lmdb, "open", lambda path, **options: paths.append((os.getpid(), path)) or real(path, **options)
    )
    return paths


def test_stock_opens_a_folder_twice(folders, stock, opened):
    client = stock("basicsr.utils.file_client").FileClient
    first = client("lmdb", db_paths=str(folders[0]))
    try:
        second = client("lmdb", db_paths=str(folders[0]))
    except lmdb.Error as error:
        assert "already open in this process" in str(error)
    else:  # older py-lmdb lets it pass, although LMDB forbids it
        assert len(opened) == 2
        del second
    del first


def test_train_and_val_share_a_folder(folders, opened):
    train, val = (PairedImageDataset(paired_options(*folders, phase=phase)) for phase in ("train", "val"))
    assert train[0]["gt"].shape == (3, 16, 16)
    assert val[0]["gt"].shape == (3, 32, 32)
    assert len(opened) == 2


def test_another_spelling_of_the_path_is_the_same_folder(folders, tmp_path, opened):
    (tmp_path / "link.lmdb").symlink_to(folders[0])
    clients = [FileClient("lmdb", db_paths=str(path)) for path in (folders[0], tmp_path / "link.lmdb")]
    assert clients[0].get("0") == clients[1].get("0") != b""
    assert len(opened) == 1


def test_many_threads_open_a_folder_once_at_a_time(folders):
    """Each thread has a reader of its own, which opens the folder if no other reader has it open."""

    def read(index):
        return FileClient("lmdb", db_paths=str(folders[0])).get("0")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(read, range(400)))) == 1


def test_environment_is_closed_with_its_last_user(folders):
    client = FileClient("lmdb", db_paths=str(folders[0]))
    path = os.path.realpath(folders[0])
    assert path in [key[1] for key in lmdb_environments._environments]
    del client
    assert path not in [key[1] for key in lmdb_environments._environments]
    lmdb.open(path).close()


def test_forked_worker_opens_its_own(folders, tmp_path):
    dataset = PairedImageDataset(paired_options(*folders, phase="val"))
    expected = dataset[0]["gt"]  # opens the environments in this process
    processes = []

    class Spy(torch.utils.data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            item = dataset[index]["gt"]
            processes.append({handle._process for handle in dataset.file_client.client._client.values()})
            return item, processes[-1] == {os.getpid()}

    loader = torch.utils.data.DataLoader(Spy(), num_workers=2, multiprocessing_context="fork")
    (first, own), (_, own_too) = list(loader)
    assert torch.equal(first[0], expected)
    assert own and own_too
    assert torch.equal(dataset[0]["gt"], expected), "the parent's environment is untouched"


def test_data_set_that_was_read_can_be_pickled(folders):
    dataset = PairedImageDataset(paired_options(*folders, phase="val"))
    expected = dataset[0]["lq"]
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[0]["lq"], expected)


def test_names_and_folders_must_match(folders):
    with pytest.raises(ValueError, match="1 folders, but 2 names"):
        FileClient("lmdb", db_paths=str(folders[0]), client_keys=["lq", "gt"])


@pytest.mark.parametrize(("given", "expected"), [({}, True), ({"readahead": False}, False)])
def test_the_system_reads_ahead_unless_the_option_file_forbids_it(folders, monkeypatch, given, expected):
    seen, real = [], lmdb.open
    monkeypatch.setattr(lmdb, "open", lambda path, **options: seen.append(options) or real(path, **options))
    dataset = PairedImageDataset(paired_options(*folders, io_backend={"type": "lmdb", **given}))
    assert dataset[0]["gt"].shape == (3, 16, 16)
    assert [(options["readahead"], options["readonly"], options["lock"]) for options in seen] == [
        (expected, True, False)
    ] * 2
