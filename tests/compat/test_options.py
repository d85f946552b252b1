import logging
import random
import sys

import numpy as np
import pytest
import torch
from basicsr.utils.options import parse_options

from segsr_arch.compat.repairs.parse_options import settle_devices
from segsr_arch.errors import ConfigError
from tests.compat.helpers import make_pairs, train, write_options

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.fixture
def options_file(tmp_path):
    return write_options(tmp_path / "a.yml", "gt", "lq")


@pytest.mark.parametrize(
    "spelling", [["--local-rank=0"], ["--local-rank", "0"], ["--local_rank=0"], ["--local_rank", "0"]]
)
def test_both_spellings(tmp_path, options_file, monkeypatch, stock, capsys, spelling):
    command = ["train.py", "-opt", str(options_file), *spelling]
    monkeypatch.setattr(sys, "argv", list(command))
    _, args = parse_options(str(tmp_path))
    assert args.local_rank == 0
    assert sys.argv == command, "BasicSR writes the command into the copy of the option file"
    if "-rank" in spelling[0].replace("--", ""):
        with pytest.raises(SystemExit):
            stock("basicsr.utils.options").parse_options(str(tmp_path))
        assert "unrecognized arguments: --local-rank" in capsys.readouterr().err


@without_gpu
@pytest.mark.parametrize("count", [1, 4])
def test_gpu_that_is_not_there_gives_one_warning(tmp_path, monkeypatch, caplog, count):
    path = write_options(tmp_path / "a.yml", "gt", "lq", num_gpu=count)
    monkeypatch.setattr(sys, "argv", ["train.py", "-opt", str(path)])
    opt, _ = parse_options(str(tmp_path))
    assert opt["num_gpu"] == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"num_gpu: {count}, but there is no GPU here: running on the CPU (num_gpu: 0)"
    ]


@without_gpu
def test_prefetching_to_a_gpu_that_is_not_there_gives_one_warning(caplog):
    loader = {"prefetch_mode": "cuda", "pin_memory": True}
    opt = settle_devices({"num_gpu": 0, "datasets": {"train": dict(loader), "val": {"pin_memory": True}}})
    assert opt["datasets"] == {"train": {"prefetch_mode": "cpu", "pin_memory": False}, "val": {"pin_memory": False}}
    assert len(caplog.records) == 1 and "prefetch_mode: cuda (train)" in caplog.text


@without_gpu
def test_only_the_first_rank_warns(caplog):
    caplog.set_level(logging.INFO)
    assert settle_devices({"num_gpu": 2, "rank": 1, "datasets": {}})["num_gpu"] == 0
    assert caplog.records == []


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_nothing_changes_where_there_are_enough_gpus(two_gpus, caplog):
    opt = {"num_gpu": 2, "datasets": {"train": {"prefetch_mode": "cuda", "pin_memory": True}}}
    assert settle_devices(opt) == {"num_gpu": 2, "datasets": {"train": {"prefetch_mode": "cuda", "pin_memory": True}}}
    assert caplog.records == []


def test_no_more_gpus_are_counted_than_there_are(two_gpus, caplog):
    assert settle_devices({"num_gpu": 8, "dist": False, "datasets": {}})["num_gpu"] == 2
    assert [record.getMessage() for record in caplog.records] == ["num_gpu: 8, but torch sees 2 here: using num_gpu: 2"]


def test_more_processes_than_gpus_are_for_the_cpu(two_gpus, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")  # of four machines, all of whose GPUs the option file counts
    assert settle_devices({"num_gpu": 8, "dist": True, "datasets": {}})["num_gpu"] == 8
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    assert settle_devices({"num_gpu": 0, "dist": True, "datasets": {}})["num_gpu"] == 0
    with pytest.raises(ConfigError, match="3 processes .* torch sees 2 GPUs: start at most 2, or set num_gpu: 0"):
        settle_devices({"num_gpu": 8, "dist": True, "datasets": {}})


def test_auto_gives_no_warning(tmp_path, monkeypatch, caplog):
    path = write_options(tmp_path / "a.yml", "gt", "lq", num_gpu="auto")
    monkeypatch.setattr(sys, "argv", ["train.py", "-opt", str(path)])
    assert parse_options(str(tmp_path))[0]["num_gpu"] == torch.cuda.device_count()
    assert caplog.records == []


def test_seeds_are_those_of_basicsr_and_go_round_at_their_largest(stock):
    import basicsr.data
    from basicsr.utils import set_random_seed

    def drawn():
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    stock("basicsr.utils.misc").set_random_seed(7)
    expected = drawn()
    for seed in (7, 2**32 + 7):
        set_random_seed(seed)
        assert drawn() == expected
    stock("basicsr.data").worker_init_fn(1, 4, 1, 3)
    expected = drawn()[:2]
    for seed in (3, 2**32 + 3):
        basicsr.data.worker_init_fn(1, 4, 1, seed)
        assert drawn()[:2] == expected


def test_the_largest_seed_trains_with_workers(tmp_path, monkeypatch):
    gt, lq = make_pairs(tmp_path)
    workers = {"num_worker_per_gpu": 2}
    path = write_options(tmp_path / "a.yml", gt, lq, iterations=1, save_every=1, train=workers, manual_seed=2**32 - 1)
    train(monkeypatch, tmp_path, "-opt", path)
    assert (tmp_path / "experiments/tiny/models/net_g_1.pth").exists()
