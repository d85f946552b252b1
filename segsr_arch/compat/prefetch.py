"""Prefetching that forwards errors, where stock BasicSR waits for ever, and starts its workers once, not twice."""

import queue
import threading
import weakref

from segsr_arch.compat.patching import is_stock, substitute

_END = object()


class PrefetchGenerator:
    """Draw items from an iterator in a background thread; takes the place of BasicSR's class of that name.

    An exception in the thread is raised by ``next``. The thread ends when this object is dropped or the interpreter
    exits, also if it was waiting for room in the queue.

    Args:
        generator: Iterator to draw from.
        num_prefetch_queue: How many items may wait; 0 for any number.
    """

    def __init__(self, generator, num_prefetch_queue):
        self._queue = queue.Queue(num_prefetch_queue)
        self._finished = False
        stop = threading.Event()
        # The thread must not hold a reference to this object, or it could never be dropped.
        thread = threading.Thread(target=_fill, args=(generator, self._queue, stop), daemon=True)
        thread.start()
        self._finalizer = weakref.finalize(self, _halt, thread, stop)

    def __iter__(self):
        return self

    def __next__(self):
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


def _fill(generator, items, stop):
    try:
        for item in generator:
            if not _put(items, (item, None), stop):
                return
    except BaseException as error:  # raised again where it is seen: in the training loop
        _put(items, (None, error), stop)
    else:
        _put(items, (_END, None), stop)


def _put(items, entry, stop):
    """Wait for room in the queue; returns False if nobody will take the entry any more."""
    while not stop.is_set():
        try:
            items.put(entry, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False


def _halt(thread, stop):
    stop.set()
    # A thread inside OpenCV or torch while the interpreter is torn down can crash it; one that hangs in the data
    # set must not keep the process alive.
    if thread is not threading.current_thread():
        thread.join(timeout=10)


def repair_prefetch_errors():
    """Let an exception in the prefetch thread stop the training instead of hanging it.

    Cause: in ``PrefetchGenerator.run`` an exception ends the thread without a word, and the consumer waits for the
    next item for ever.

    Returns:
        True if it was stock.
    """
    from basicsr.data import prefetch_dataloader

    stock = prefetch_dataloader.PrefetchGenerator
    if not is_stock(stock.__init__, "Thread", "start"):
        return False
    substitute(stock, PrefetchGenerator)
    return True


def _init(self, loader):
    self.ori_loader = loader
    self.loader = None


def _next(self):
    if self.loader is None:
        self.reset()
    return next(self.loader, None)


def _reset(self):
    self.loader = None  # ends the old iterator first: persistent workers cannot serve two
    self.loader = iter(self.ori_loader)


def repair_double_iterator():
    """Start the workers of a loader once.

    Cause: ``CPUPrefetcher.__init__`` makes an iterator, which starts all workers, and the ``reset`` at the begin of
    the first epoch makes another. It serves ``prefetch_mode: ~`` as well as ``cpu``.

    Returns:
        True if it was stock.
    """
    from basicsr.data.prefetch_dataloader import CPUPrefetcher

    if not is_stock(CPUPrefetcher.__init__, "iter"):
        return False
    CPUPrefetcher.__init__, CPUPrefetcher.next, CPUPrefetcher.reset = _init, _next, _reset
    return True
