"""An exception in the prefetch thread stops the training.

Symptom: under ``prefetch_mode: cpu``, any exception of a data set hangs the training for ever.
Cause: in ``PrefetchGenerator.run`` it ends the thread without a word, and the consumer waits for the next item.
"""

import queue
import threading
import weakref
from collections.abc import Iterator
from typing import Any

from segsr_arch.compat.patching import is_stock, substitute

_END = object()


def repair() -> bool:
    """Put a class in its place that hands exceptions on."""
    from basicsr.data import prefetch_dataloader

    stock = prefetch_dataloader.PrefetchGenerator
    if not is_stock(stock.__init__, "Thread", "start"):
        return False
    substitute(stock, PrefetchGenerator)
    return True


class PrefetchGenerator:
    """Draw items from an iterator in a background thread; takes the place of BasicSR's class of that name.

    An exception in the thread is raised by ``next``. The thread ends when this object is dropped or the interpreter
    exits, also if it was waiting for room in the queue.

    Args:
        generator: Iterator to draw from.
        num_prefetch_queue: How many items may wait; 0 for any number.
    """

    def __init__(self, generator: Iterator[Any], num_prefetch_queue: int) -> None:
        self._queue: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(num_prefetch_queue)
        self._finished = False
        stop = threading.Event()
        # The thread must not hold a reference to this object, or it could never be dropped.
        thread = threading.Thread(target=_fill, args=(generator, self._queue, stop), daemon=True)
        thread.start()
        self._finalizer = weakref.finalize(self, _halt, thread, stop)

    def __iter__(self) -> "PrefetchGenerator":
        return self

    def __next__(self) -> Any:
        if self._finished:
            raise StopIteration
        item, error = self._queue.get()
        if error is not None:
            self._finished = True
            raise error
        if item is _END:
            self._finished = True
            raise StopIteration
        return item


def _fill(generator: Iterator[Any], items: queue.Queue[Any], stop: threading.Event) -> None:
    try:
        for item in generator:
            if not _put(items, (item, None), stop):
                return
    except BaseException as error:  # raised again where it is seen: in the training loop
        _put(items, (None, error), stop)
    else:
        _put(items, (_END, None), stop)


def _put(items: queue.Queue[Any], entry: tuple[Any, BaseException | None], stop: threading.Event) -> bool:
    """Wait for room in the queue; returns False if nobody will take the entry any more."""
    while not stop.is_set():
        try:
            items.put(entry, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False


def _halt(thread: threading.Thread, stop: threading.Event) -> None:
    stop.set()
    # A thread inside OpenCV or torch while the interpreter is torn down can crash it; one that hangs in the data
    # set must not keep the process alive.
    if thread is not threading.current_thread():
        thread.join(timeout=10)
