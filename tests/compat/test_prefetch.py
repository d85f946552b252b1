import queue
import threading
import time

import pytest
import torch
from basicsr.data.prefetch_dataloader import CPUPrefetcher, PrefetchDataLoader, PrefetchGenerator


class CountingLoader:
    """Iterable that counts its iterators."""

    def __init__(self, *items):
        self.items, self.iterators = items, 0

    def __iter__(self):
        self.iterators += 1
        return iter(self.items)


class Failing(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2:
            raise OSError("item 2 is broken")
        return index


def two_then_error():
    yield 1
    yield 2
    raise OSError("broken")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_stock_consumer_would_wait_for_ever(stock):
    generator = stock("basicsr.data.prefetch_dataloader").PrefetchGenerator(two_then_error(), 1)
    assert [next(generator), next(generator)] == [1, 2]
    generator.join(10)
    with pytest.raises(queue.Empty):
        generator.queue.get(timeout=0.2)


def test_exception_is_forwarded_after_the_good_items(deadline):
    generator = PrefetchGenerator(two_then_error(), 1)
    assert [next(generator), next(generator)] == [1, 2]
    with pytest.raises(OSError, match="broken"):
        next(generator)
    with pytest.raises(StopIteration):
        next(generator)


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_forwards_exceptions(deadline, workers):
    loader = PrefetchDataLoader(num_prefetch_queue=1, dataset=Failing(), num_workers=workers)
    with pytest.raises(OSError, match="item 2 is broken"):
        list(loader)


def test_items_none_included_and_end(deadline):
    generator = PrefetchGenerator(iter([0, None, 2]), 1)
    assert list(generator) == [0, None, 2]
    with pytest.raises(StopIteration):
        next(generator)


def test_thread_ends_when_the_consumer_stops_early(deadline):
    before = threading.active_count()
    generator = PrefetchGenerator(iter(range(100)), 1)
    assert next(generator) == 0
    assert threading.active_count() == before + 1
    del generator
    for _ in range(100):
        if threading.active_count() == before:
            break
        time.sleep(0.05)
    assert threading.active_count() == before


def test_stock_prefetcher_made_two_iterators(stock):
    loader = CountingLoader(1, 2)
    stock("basicsr.data.prefetch_dataloader").CPUPrefetcher(loader).reset()
    assert loader.iterators == 2


def test_prefetcher_makes_one_iterator_an_epoch():
    loader = CountingLoader(1, 2)
    prefetcher = CPUPrefetcher(loader)
    assert loader.iterators == 0
    for epoch in (1, 2):
        prefetcher.reset()
        assert [prefetcher.next() for _ in range(3)] == [1, 2, None]
        assert loader.iterators == epoch


def test_prefetcher_works_without_reset():
    assert CPUPrefetcher(CountingLoader(1)).next() == 1
