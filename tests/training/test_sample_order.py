import copy
import random

import numpy as np
import pytest
import torch
from basicsr.data import build_dataloader
from basicsr.data.data_sampler import EnlargedSampler
from torch.utils.data import DataLoader, Dataset

from segsr_arch.errors import ConfigError
from segsr_arch.training.sample_order import SampleOrder
from segsr_arch.training.seeded_samples import SampleIndex, SeededSamples


class Images(Dataset):
    """Eleven images whose sample is what was drawn for it."""

    def __init__(self, names="abcdefghijk"):
        self.paths = [{"gt_path": f"/somewhere/{name}.png"} for name in names]

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        draws = [random.random(), np.random.random(), torch.rand(1).item()]
        return {"index": index, "drawn": torch.tensor(draws, dtype=torch.float64)}


def make_order(*, batch=4, rank=0, ranks=2, images=None, ratio=2):
    """Order of 11 images, seen twice an epoch, by two processes: 11 samples, two whole batches each."""
    dataset = images or Images()
    sampler = EnlargedSampler(dataset, ranks, rank, ratio)
    return SampleOrder(DataLoader(dataset, batch, sampler=sampler, drop_last=True), dataset), sampler


def batches_of(sampler, epochs, batch=4):
    found = []
    for epoch in epochs:
        sampler.set_epoch(epoch)
        samples = list(sampler)
        found += [samples[i : i + batch] for i in range(0, len(samples) - batch + 1, batch)]
    return found


@pytest.mark.parametrize("old", [False, True], ids=["order saved", "stock state"])
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("iteration", [0, 1, 2, 3, 5])
def test_a_resumed_run_goes_on_with_the_images_that_come_next(iteration, rank, old):
    order, sampler = make_order(rank=rank)
    whole = batches_of(sampler, range(3))
    assert len(whole) == 6 and whole[0] != whole[2]
    epoch = iteration // 2
    state = {"epoch": epoch, "iter": iteration}
    if not old:
        state["order"] = order.state(epoch, iteration)
    resumed, sampler = make_order(rank=rank)
    assert resumed.resume(state) is None
    for _ in range(2):  # the loader may begin more than once
        assert batches_of(sampler, range(epoch, 3)) == whole[iteration:]


def test_places_are_those_of_all_processes_together():
    samplers = [make_order(rank=rank)[1] for rank in (0, 1)]
    alone = list(EnlargedSampler(Images(), 1, 0, 2))
    assert [[index.position for index in sampler] for sampler in samplers] == [[*range(0, 22, 2)], [*range(1, 22, 2)]]
    assert [index.position for index in alone] == [*range(22)] and alone[::2] == list(samplers[0])


def test_a_run_that_was_resumed_with_another_batch_is_resumed_again():
    """Four iterations of 4, the second epoch begun with 3 of them; then batches of 2, and once more."""
    order, sampler = make_order(ranks=1, ratio=1)
    seen = [index for batch in batches_of(sampler, range(2)) for index in batch][:12]
    state = {"epoch": 1, "iter": 3, "order": order.state(1, 3)}
    assert state["order"]["seen"] == 4
    second, sampler = make_order(ranks=1, ratio=1, batch=2)
    assert second.resume(state) is None
    rest = batches_of(sampler, range(1, 4), batch=2)
    assert not set(rest[0]) & set(seen[8:]) and len(rest) == 3 + 5 + 5
    for epoch, iteration in ((1, 5), (1, 6), (2, 6), (2, 9), (3, 13)):
        third, sampler = make_order(ranks=1, ratio=1, batch=2)
        third.resume({"epoch": epoch, "iter": iteration, "order": second.state(epoch, iteration)})
        assert batches_of(sampler, range(epoch, 4), batch=2) == rest[iteration - 3 :]
    assert [second.last_epoch(total) for total in (3, 6, 7, 11, 12)] == [1, 1, 2, 2, 3]


def test_one_process_with_two_gpus_counts_its_batch_as_it_trains():
    options = {"phase": "train", "batch_size_per_gpu": 2, "num_worker_per_gpu": 0}
    dataset = Images()
    loader = build_dataloader(dataset, options, num_gpu=2, sampler=EnlargedSampler(dataset, 1, 0, 1), seed=0)
    order = SampleOrder(loader, dataset)
    assert order.batches == 2 and order.state(0, 1)["seen"] == 4
    assert [order.last_epoch(total) for total in (1, 2, 3, 100)] == [0, 0, 1, 49]
    alone = build_dataloader(dataset, options, num_gpu=1, sampler=EnlargedSampler(dataset, 1, 0, 1), seed=0)
    resumed = SampleOrder(alone, dataset)
    assert resumed.resume({"epoch": 0, "iter": 1, "order": order.state(0, 1)}) is None
    whole = list(EnlargedSampler(dataset, 1, 0, 1))
    assert list(alone.sampler) == whole[4:], "with one GPU it goes on with the fifth image"


@pytest.mark.parametrize(
    ("names", "problem"),
    [("abcdefghij", "has 20 samples, it had 22"), ("abcdefghijX", "other names"), ("abcdefghijk", None)],
)
def test_other_images_begin_their_epoch_again(names, problem):
    state = {"epoch": 1, "iter": 3, "order": make_order()[0].state(1, 3)}
    images = Images(names)
    for entry in images.paths:
        entry["gt_path"] = entry["gt_path"].replace("/somewhere", "/moved")
    order, sampler = make_order(images=images)
    said = order.resume(state)
    assert (said is None) if problem is None else (problem in said)
    sampler.set_epoch(1)
    assert len(list(sampler)) == len(sampler) - (4 if problem is None else 0)


@pytest.mark.parametrize("context", [None, "fork", "spawn"])
def test_draws_depend_on_seed_epoch_and_place_alone(context):
    def drawn(seed, epoch, workers=0, context=None):
        dataset = Images()
        sampler = EnlargedSampler(dataset, 1, 0, 1)
        sampler.set_epoch(epoch)
        loader = DataLoader(
            SeededSamples(dataset, seed), 3, sampler=sampler, num_workers=workers, multiprocessing_context=context
        )
        return {int(index): row for batch in loader for index, row in zip(batch["index"], batch["drawn"], strict=True)}

    first = drawn(7, 2)
    assert len({tuple(row.tolist()) for row in first.values()}) == 11
    other = drawn(7, 2, 2 if context else 0, context)
    assert all(torch.equal(row, other[index]) for index, row in first.items())
    for changed in (drawn(8, 2), drawn(7, 3)) if context is None else ():
        assert all((row != changed[index]).all() for index, row in first.items())


def test_the_networks_random_numbers_are_left_alone():
    samples = SeededSamples(Images(), 3)
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    expected = torch.rand(2), random.random(), np.random.random()
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    samples[SampleIndex(4, epoch=0, position=9)]
    assert torch.equal(torch.rand(2), expected[0]) and (random.random(), np.random.random()) == expected[1:]
    assert samples.paths is samples.dataset.paths and len(copy.deepcopy(samples)) == 11


def test_iterating_a_loader_draws_nothing_from_the_networks_random_numbers():
    loader = build_dataloader(["x"] * 3, {"phase": "val"}, seed=5)
    torch.manual_seed(0)
    assert list(loader) == [["x"]] * 3
    drawn = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(1))


def test_a_batch_that_no_epoch_fills_is_refused_before_the_training():
    order, _ = make_order(batch=12)
    with pytest.raises(ConfigError, match="batch_size_per_gpu: a batch of 12 is larger than an epoch of 11 images"):
        order.last_epoch(total_iter=10)
