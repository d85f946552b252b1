"""Where the time of a training iteration goes: a clock that is set into BasicSR's loop and a model from outside."""

import contextlib
import functools
import statistics
import time

import torch

from segsr_arch.replacing import replaced

# The parts of an iteration, in the order in which the loop comes to them.
PARTS = {
    "data": "waiting for data",
    "device": "host to device",
    "forward": "forward",
    "loss": "loss",
    "backward": "backward",
    "clipping": "gradient norm, clipping",
    "optimizer": "optimizer",
    "average": "moving average (EMA)",
    "logging": "logging",
}
OTHER = "other"
# What an iteration is interrupted for: reported by occasion, not as a part of an iteration.
APART = ("validation", "saving")


class IterationClock:
    """Adds up seconds by part of an iteration; the innermost parts within another one belong to that one.

    An iteration reaches from one update of the learning rate to the next, so the wait for a batch is counted with the
    step before it, and ends of epochs are in it.

    Args:
        synchronize: Waits until the device has done what it was given; ``None`` where all is done at once.
    """

    def __init__(self, synchronize=None):
        self.iterations = []  # of each finished one: seconds by part, and "iteration" for the whole without APART
        self.apart = {name: [] for name in APART}
        self._synchronize = synchronize
        self._began = None
        self._seconds = {}
        self._open = None

    def _now(self):
        if self._synchronize is not None:
            self._synchronize()
        return time.perf_counter()

    def cut(self):
        """End the iteration that runs, if one does, and begin the next."""
        now = self._now()
        if self._began is not None:
            whole = now - self._began - sum(self._seconds.get(name, 0.0) for name in APART)
            parts = {name: self._seconds.get(name, 0.0) for name in PARTS}
            self.iterations.append({**parts, OTHER: whole - sum(parts.values()), "iteration": whole})
        self._began, self._seconds = now, {}

    def begin(self, name):
        """Begin a part; returns whether it counts, which it does not within another one."""
        if self._open is not None:
            return False
        self._open = name, self._now()
        return True

    def end(self, name):
        """End a part that was begun, unless it lay within another one."""
        if self._open is None or self._open[0] != name:
            return
        seconds = self._now() - self._open[1]
        self._open = None
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds
        if name in self.apart:
            self.apart[name].append(seconds)

    def timed(self, name, function):
        """Return the function with its calls counted as a part."""

        @functools.wraps(function)
        def wrapper(*args, **options):
            counts = self.begin(name)
            try:
                return function(*args, **options)
            finally:
                if counts:
                    self.end(name)

        return wrapper

    def summary(self, skipped):
        """Summarise the iterations but the first ``skipped``.

        Returns:
            By part, and for ``iteration``: median and mean in milliseconds, and the share of all time in [0, 1].

        Raises:
            ValueError: If no iteration is left.
        """
        rows = self.iterations[skipped:]
        if not rows:
            raise ValueError(f"{len(self.iterations)} iterations were timed, and {skipped} of them warm up")
        total = sum(row["iteration"] for row in rows)
        return {
            name: {
                "median_ms": 1e3 * statistics.median(row[name] for row in rows),
                "mean_ms": 1e3 * statistics.fmean(row[name] for row in rows),
                "share": sum(row[name] for row in rows) / total,
            }
            for name in (*PARTS, OTHER, "iteration")
        }


def _nothing(_):
    """What a hook returns that changes nothing."""


def _watch_model(clock, model):
    """Set the clock into a model in place; returns the model."""
    optimizer = model.optimizer_g
    methods = {
        "feed_data": "device",
        "_clip_gradients": "clipping",
        "model_ema": "average",
        "get_current_log": "logging",
        "validation": "validation",
        "save": "saving",
    }
    for method, name in methods.items():
        setattr(model, method, clock.timed(name, getattr(model, method)))
    for module, part in ((model.net_g, "forward"), (model.losses, "loss")):
        module.register_forward_pre_hook(lambda *_, part=part: _nothing(clock.begin(part)))
        module.register_forward_hook(lambda *_, part=part: clock.end(part), always_call=True)
    optimizer.register_step_pre_hook(lambda *_: _nothing(clock.begin("optimizer")))
    optimizer.register_step_post_hook(lambda *_: clock.end("optimizer"))
    optimizer.zero_grad = clock.timed("optimizer", optimizer.zero_grad)
    update = model.update_learning_rate

    def update_learning_rate(*args, **options):
        clock.cut()
        return update(*args, **options)

    model.update_learning_rate = update_learning_rate
    return model


@contextlib.contextmanager
def watched(clock, *, val_images):
    """Set a clock into BasicSR's training loop, and into the ``SeGSRModel`` that it builds, for as long as this lasts.

    Args:
        clock: The clock.
        val_images: At most so many images are validated.
    """
    import basicsr.train
    from basicsr.data.prefetch_dataloader import CPUPrefetcher, CUDAPrefetcher

    build_model, build_dataset = basicsr.train.build_model, basicsr.train.build_dataset

    def build_fewer(options):
        dataset = build_dataset(options)
        if options["phase"] == "val":
            dataset.paths = dataset.paths[:val_images]
        return dataset

    with contextlib.ExitStack() as stack:
        stack.enter_context(replaced(basicsr.train, "build_model", lambda opt: _watch_model(clock, build_model(opt))))
        stack.enter_context(replaced(basicsr.train, "build_dataset", build_fewer))
        for owner, name, part in (
            (CPUPrefetcher, "next", "data"),
            (CPUPrefetcher, "reset", "data"),
            (CUDAPrefetcher, "next", "data"),
            (CUDAPrefetcher, "reset", "data"),
            (basicsr.train.MessageLogger, "__call__", "logging"),
            (torch.autograd, "backward", "backward"),
        ):
            stack.enter_context(replaced(owner, name, clock.timed(part, getattr(owner, name))))
        yield
