"""Training and testing of networks that sample: named losses, captions, noise that can be drawn again."""

import contextlib
import copy
import dataclasses
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from basicsr.utils import get_root_logger
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, MODEL_REGISTRY
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from segsr_arch.compat.registration import register
from segsr_arch.errors import ConfigError, SegsrError
from segsr_arch.models.diffusion_options import DiffusionTrainOptions, DiffusionValidationOptions
from segsr_arch.models.draws import Draws, number_of
from segsr_arch.models.training_model import TrainingModel
from segsr_arch.option_fields import keys_of


@register(MODEL_REGISTRY)
class DiffusionModel(TrainingModel):
    """A :class:`TrainingModel` for a network that has ``training_losses`` and gives a sample when it is called.

    The network is called as ``network.training_losses(lq, gt, captions=..., image_ids=..., draw=...)``, which gives
    its losses by name, and as ``network(lq, captions=..., seed=..., sampler=...)``, the last being its own attribute
    ``sampler``, a dataclass, but for other ``steps`` in the validations of a training, which are checked before it
    where the class has ``schedule_of(options)``. If it has ``begin_iteration()``, that is called before the losses of a
    step, once for all parts of its batch. ``captions`` are the texts of the batch, those that are left out
    (``train: caption_dropout``) empty, or ``None`` where the data set has none; ``image_ids`` (B,) tell images apart;
    ``draw`` is a :class:`~segsr_arch.models.draws.Draws`: noise and time steps depend on ``train: noise_seed``,
    iteration, process and part, so that a resumed training sees what an uninterrupted one does.

    Args:
        opt: The option mapping of BasicSR.

    Raises:
        ConfigError: If an option is wrong, or the network has no ``training_losses``.
    """

    option_keys = {"train": keys_of(DiffusionTrainOptions), "val": keys_of(DiffusionValidationOptions)}
    teaches_guidance = False  # whether what one_pass_guidance adds to a network gets a gradient

    @classmethod
    def check_options(cls, opt: Mapping[str, Any]) -> None:
        """As in :class:`TrainingModel`, and whether the network is one that samples."""
        super().check_options(opt)
        DiffusionValidationOptions.read(opt.get("val"))
        if opt.get("tile") is not None:
            raise ConfigError(
                "tile: samples of tiles that are drawn apart do not fit together; remove it, the network itself goes "
                "over large images in tiles of its latents."
            )
        if not opt["is_train"]:
            return
        DiffusionTrainOptions.read(opt["train"])
        if opt["network_g"].get("cpu_offload"):
            raise ConfigError(
                "network_g: cpu_offload: is for samples alone, gradients need all parts at once; remove it."
            )
        if opt["train"].get("compile"):
            raise ConfigError("train: compile: is not made for a network that computes its losses itself; remove it.")
        kind = opt["network_g"]["type"]
        network = ARCH_REGISTRY.get(kind)
        if not hasattr(network, "training_losses"):
            raise ConfigError(
                f"network_g: type: {kind} computes no losses of its own (training_losses), as {cls.__name__} needs; "
                f"train it with model_type: TrainingModel, or take a diffusion network such as MSSD."
            )
        if opt["network_g"].get("one_pass_guidance") is not None and not cls.teaches_guidance:
            raise ConfigError(
                f"network_g: one_pass_guidance: is learned from a teacher, which {cls.__name__} has not, so that it "
                f"would stay as it began; remove it, or set model_type: DistillationModel, whose train: teacher is a "
                f"checkpoint of the network without it."
            )
        _check_validation_steps(network, opt)
        contrast = getattr(network, "nested_options", {}).get("contrast")
        if contrast is not None and opt["network_g"].get("contrast") is not None:
            contrast.read(opt["network_g"]["contrast"]).check_queue(_count_images(opt))

    @classmethod
    def check_losses(cls, train: Mapping[str, Any]) -> None:
        """Refuse losses between images: the network names its own.

        Raises:
            ConfigError: If there is one.
        """
        given = [name for name in ("pixel_opt", "perceptual_opt") if train.get(name)]
        if given:
            raise ConfigError(
                f"train: {', '.join(given)}: a loss between images is none for a network that is trained to take off "
                f"noise and computes its losses itself; remove it."
            )

    def build_losses(self) -> None:
        """Read how training draws; the losses are the network's."""
        self.diffusion_options = DiffusionTrainOptions.read(self.opt["train"])

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Take a batch, with the captions, if it has any, and the places of its images."""
        super().feed_data(data)
        self.captions: list[str] | None = list(data["caption"]) if "caption" in data else None
        self.names = [str(path) for path in data.get("gt_path", data.get("lq_path", ()))]

    def compute_losses(self, lq: Tensor, gt: Tensor) -> "OrderedDict[str, Tensor]":
        """Let the network compute the losses of a part of the batch; see :class:`TrainingModel`."""
        iteration, part = self.position
        network = self.get_bare_model(self.net_g)
        if part == 0 and hasattr(network, "begin_iteration"):
            network.begin_iteration()
        keys = (iteration, self.opt["rank"], part)
        draw = Draws(seed=self.diffusion_options.noise_seed, keys=keys, device=self.device)
        own = slice(part * len(lq), (part + 1) * len(lq))
        ids = torch.tensor([number_of(name) for name in self.names[own]], device=self.device) if self.names else None
        with self.autocast(), _calling_training_losses(self.net_g, network) as losses_of:
            losses: OrderedDict[str, Tensor] = losses_of(
                lq, gt, captions=self._captions_kept(own, draw), image_ids=ids, draw=draw
            )
        return losses

    def super_resolve(self, lq: Tensor) -> Tensor:
        """Draw a sample of each image, from noise that depends on ``val: seed`` and the name of the image alone."""
        return self._sample(lq, DiffusionValidationOptions.read(self.opt.get("val")).seed)

    def validation(
        self, dataloader: DataLoader[Any], current_iter: int | str, tb_logger: Any, save_img: bool = False
    ) -> None:
        """Validate as :class:`ValidatedModel` does; while training with few steps on few images, which the log says."""
        if not self.opt["is_train"]:
            super().validation(dataloader, current_iter, tb_logger, save_img)
            return
        options = DiffusionValidationOptions.read(self.opt.get("val"))
        dataset: Any = dataloader.dataset
        total, count = len(dataset), min(options.images or len(dataset), len(dataset))
        get_root_logger().info(
            f"{dataset.opt['name']}: samples {count} of {total} images in {self._sampler().steps} steps each, from "
            f"noise of seed {options.seed} and the name of the image."
        )
        chosen = dataloader if count == total else _some_of(dataloader, count)
        super().validation(chosen, current_iter, tb_logger, save_img)

    def pictures(self, lq: Tensor) -> Mapping[str, np.ndarray]:
        """Draw samples of other seeds, side by side: where they differ the network does not know."""
        options = DiffusionValidationOptions.read(self.opt.get("val"))
        if options.samples == 0:
            return {}
        with self.evaluating():
            samples = [self._sample(lq, options.seed + 1 + index)[0] for index in range(options.samples)]
        strip = torch.cat(samples, dim=-1).float().clamp(0, 1) * 255
        return {"samples": strip.round().to("cpu", torch.uint8).permute(1, 2, 0).numpy()}

    def _sample(self, lq: Tensor, seed: int) -> Tensor:
        stems = [Path(name).stem for name in self.names]
        sr: Tensor = self.tested_network(
            lq, captions=self.captions, seed=number_of(seed, *stems), sampler=self._sampler()
        )
        return sr

    def _sampler(self) -> Any:
        """The network's options of sampling, in the validations of a training with its steps."""
        network: Any = self.tested_network
        steps = DiffusionValidationOptions.read(self.opt.get("val")).sampler_steps if self.opt["is_train"] else None
        return network.sampler if steps is None else dataclasses.replace(network.sampler, steps=steps)

    def _captions_kept(self, own: slice, draw: Draws) -> list[str] | None:
        """Captions of a part, those empty that are left out."""
        if self.captions is None:
            return None
        captions = self.captions[own]
        kept = draw("caption", (len(captions),)) >= self.diffusion_options.caption_dropout
        return [text if keep else "" for text, keep in zip(captions, kept.tolist(), strict=True)]


def _check_validation_steps(network: Any, opt: Mapping[str, Any]) -> None:
    """Find out whether the validations of a training can have their steps; what is wrong with the network is its own.

    Raises:
        ConfigError: If not.
    """
    steps, given = DiffusionValidationOptions.read(opt.get("val")).sampler_steps, opt["network_g"]
    if steps is None or not hasattr(network, "schedule_of"):
        return
    try:
        sampler, schedule = network.nested_options["sampler"].read(given.get("sampler")), network.schedule_of(given)
    except SegsrError:
        return
    dataclasses.replace(sampler, steps=steps).check(schedule, key="val: sampler_steps")


def _count_images(opt: Mapping[str, Any]) -> int:
    """How many images there are to train on."""
    options = copy.deepcopy({**opt["datasets"]["train"], "scale": opt["scale"], "phase": "train"})
    return len(DATASET_REGISTRY.get(options["type"])(options))


@contextlib.contextmanager
def _calling_training_losses(network: nn.Module, bare: nn.Module) -> Iterator[Any]:
    """Give a callable that computes losses and, under a launcher, exchanges gradients.

    The wrapper that exchanges them knows ``forward`` alone, which stands for ``training_losses`` meanwhile.
    """
    if network is bare:
        yield bare.training_losses
        return
    bare.forward = bare.training_losses  # type: ignore[assignment]
    try:
        yield network
    finally:
        del bare.forward


class _Chosen(Subset[Any]):
    """Some images of a data set, which is asked for all else."""

    @property
    def opt(self) -> Any:
        """Options of the data set."""
        dataset: Any = self.dataset
        return dataset.opt


def _some_of(dataloader: DataLoader[Any], count: int) -> DataLoader[Any]:
    """Load so many images, evenly spread: the first ones are often all of one class."""
    dataset: Any = dataloader.dataset
    chosen = _Chosen(dataset, [index * len(dataset) // count for index in range(count)])
    return DataLoader(chosen, batch_size=1, shuffle=False, worker_init_fn=dataloader.worker_init_fn)
