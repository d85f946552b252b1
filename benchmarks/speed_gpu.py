"""The rows of the speed benchmark on a GPU: training and inference of batches, float32 and bfloat16, in four forms.

Eager; compiled by torch; recorded, whose kernels are all started at once, so that its time is that of the GPU alone;
compiled and recorded.
The peer is always float32 and eager, with the same batch, which is on the GPU already. The clock is read when the GPU
has finished, and compilation, recording and the first runs are not timed. torch's settings, TF32 among them, stay as
they are.
"""

import argparse
import gc
from collections.abc import Callable, Iterator, Mapping
from itertools import product

import torch
from speed_device import allocated, peak_memory
from speed_measures import alternate
from speed_networks import FORMS, build, make_inference, make_training_step
from torch import nn

from segsr_arch.inference.cost import count_macs

BATCHES = {"training": 4, "inference": 16}
_WARM_UP = 3  # runs: the first compiles, and those after it fill the caches of torch's allocator
_SCALE = 4
_TITLES = {"hat": "HAT", "segsr": "SeG-SR", "fp32": "float32", "bf16": "bfloat16"}
_TARGETS = {"gpu-segsr-training-bf16-compiled": 0.25}  # 4 times the peer's images a second


def _measure(name: str, task: str, precision: str, form: str) -> Callable[[argparse.Namespace], dict]:
    def measure(args: argparse.Namespace) -> dict:
        gc.collect()
        # torch stops to compile a function again after eight versions of it, and the rows share theirs.
        torch.compiler.reset()
        batch = args.batch or BATCHES[task]
        peer = _prepare("peer", task, args, batch=batch, precision="fp32", form="eager")
        ours = _prepare(name, task, args, batch=batch, precision=precision, form=form)
        found = alternate(peer[0], ours[0], rounds=args.rounds, device=args.device)
        return {
            **found,
            **_rates(found, task, batch, args.image),
            "batch": batch,
            "precision": precision,
            "flops": {"peer": peer[1], "ours": ours[1]},
            "memory, GB": {"peer": peer[2], "ours": ours[2]},
        }

    return measure


def _prepare(
    name: str, task: str, args: argparse.Namespace, *, batch: int, precision: str, form: str
) -> tuple[Callable[[], None], int, float | None]:
    """Build, compile or record, and warm up; returns what is to be timed, its FLOPs, and its peak memory in GB.

    A recorded run takes its memory when it is recorded, so there is no peak of it to be measured.
    """
    before = allocated(args.device)
    network = build(name, args.size).to(args.device)
    if task == "training":
        work = make_training_step(network, args.image, precision=precision, batch=batch, device=args.device, form=form)
    else:
        lq = torch.rand(batch, 3, args.image, args.image, device=args.device)
        work = make_inference(network, lq, precision=None if name == "peer" else precision, form=form)
    flops = count_flops(network, args.image, task=task, batch=batch)
    for _ in range(_WARM_UP):
        work()
    return work, flops, None if "recorded" in form else peak_memory(work, args.device, before=before)


def count_flops(network: nn.Module, image: int, *, task: str, batch: int) -> int:
    """Count the floating-point operations of a batch, as :func:`segsr_arch.inference.cost.count_macs` counts them.

    Args:
        network: Maps (1, 3, ``image``, ``image``) to an enlarged image.
        image: Side of an LR image.
        task: ``training`` counts three forward passes: by convention a backward pass costs two. Where weights are
            frozen (SeG-SR's vision tower), it costs less, so the share of the matrix rate is an upper bound.
        batch: Number of images.
    """
    was_training = network.training
    network.eval()
    macs = count_macs(network, (image, image))
    network.train(was_training)
    return 2 * macs * batch * (3 if task == "training" else 1)


def _rates(found: Mapping, task: str, batch: int, image: int) -> dict:
    """Images a second of a training, megapixels of SR output a second of an inference."""
    amount, unit = batch, "img/s"
    if task == "inference":
        amount, unit = batch * (_SCALE * image) ** 2 / 1e6, "MP/s"
    return {"rates": {side: amount / found[side] for side in ("peer", "ours")}, "unit": unit}


def shares(found: Mapping, matrix_rates: Mapping[str, float]) -> dict[str, float]:
    """Give the share of the chip's matrix rate that the peer and ours reach, each in its precision.

    Args:
        found: ``flops`` and seconds of ``peer`` and ``ours``, and the ``precision`` of ours; the peer's is float32.
        matrix_rates: Measured GFLOP/s for ``fp32`` and ``bf16``.
    """
    precisions = {"peer": "fp32", "ours": found["precision"]}
    return {
        side: found["flops"][side] / found[side] / (1e9 * matrix_rates[precision])
        for side, precision in precisions.items()
    }


def _rows() -> Iterator[tuple[str, tuple[str, float | None, Callable[[argparse.Namespace], dict]]]]:
    for task, name, precision, form in product(BATCHES, ("hat", "segsr"), ("fp32", "bf16"), FORMS):
        key = f"gpu-{name}-{task}-{precision}-{form}"
        title = f"{_TITLES[name]}, {_TITLES[precision]} {task}, {form}"
        yield key, (title, _TARGETS.get(key), _measure(name, task, precision, form))


# Key: title, greatest ratio of times that is allowed (or none), and what measures it.
GPU_ROWS: dict[str, tuple[str, float | None, Callable[[argparse.Namespace], dict]]] = dict(_rows())
