"""Training of any super-resolution network in BasicSR's loop."""

import contextlib
import functools
import operator
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor, nn

from segsr_arch.compat.registration import register
from segsr_arch.models.divergence import stop_unless_finite
from segsr_arch.models.ema import MovingAverage, decay_at
from segsr_arch.models.losses import ImageLosses
from segsr_arch.models.optimization import choose_kernels, trainable
from segsr_arch.models.train_options import AMP_DTYPES, TrainOptions, check_batches, check_image_losses
from segsr_arch.models.validated_model import ValidatedModel
from segsr_arch.option_fields import keys_of
from segsr_arch.running.memory import telling_what_to_change


@register(MODEL_REGISTRY)
class TrainingModel(ValidatedModel):
    """BasicSR's ``SRModel`` with what training a large network needs.

    Beyond what :class:`~segsr_arch.models.validated_model.ValidatedModel` has: an optimizer over what is trainable
    only, in torch's fused kernels (unless ``optim_g: {fused: false}``); a moving average that shares what is frozen;
    ``train: amp``, ``grad_clip`` and ``accumulate``; a stop on a loss that is not finite.

    A subclass that trains in another way overrides :meth:`compute_losses`, with :meth:`build_losses` and
    :meth:`check_losses`; :meth:`parameter_groups` says what is trained at which rate; ``super_resolve`` makes images.

    Args:
        opt: The option mapping of BasicSR.

    Raises:
        ConfigError: If an option is wrong.

    Attributes:
        position: Where a step stands while :meth:`compute_losses` runs: the iteration, and the part of the batch that
            ``train: accumulate`` makes, from 0.
    """

    option_keys = {"train": keys_of(TrainOptions)}
    position: tuple[int, int]

    @classmethod
    def check_options(cls, opt: Mapping[str, Any]) -> None:
        """Find what is wrong with the options; see :class:`ValidatedModel`."""
        super().check_options(opt)
        if opt["is_train"]:
            check_batches(opt, TrainOptions.read(opt["train"]))
            cls.check_losses(opt["train"])

    @classmethod
    def check_losses(cls, train: Mapping[str, Any]) -> None:
        """Find what is wrong with the losses that ``train:`` names; part of :meth:`check_options`.

        Args:
            train: The section, its own options right.

        Raises:
            ConfigError: If there is none, or one that cannot be computed in parts.
        """
        check_image_losses(train)

    def __init__(self, opt: dict[str, Any]) -> None:
        self.check_options(opt)
        self.train_options = TrainOptions.read(opt["train"]) if opt["is_train"] else TrainOptions()
        super().__init__(opt)

    def init_training_settings(self) -> None:
        """Build the moving average, the losses, the optimizer and the schedulers from ``train:``."""
        self.net_g.train()
        # The compiled one has the same parameters. Validation, of images of any size, runs the network itself.
        self.training_network = torch.compile(self.net_g) if self.train_options.compile else self.net_g
        train_opt = self.opt["train"]
        self.ema_decay = train_opt.get("ema_decay", 0)
        if self.ema_decay > 0:
            self._average = MovingAverage(self.get_bare_model(self.net_g))
            self.net_g_ema = self._average.network
            load_path = self.opt["path"].get("pretrain_network_g")
            if load_path is not None:
                strict = self.opt["path"].get("strict_load_g", True)
                # A file without entries (param_key_g: ~) has no average of its own.
                key = "params_ema" if self.opt["path"].get("param_key_g", "params") is not None else None
                self.load_network(self.net_g_ema, load_path, strict, key)
        self.build_losses()
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.train_options.amp == "fp16")
        self.setup_optimizers()
        self.setup_schedulers()

    def build_losses(self) -> None:
        """Build what :meth:`compute_losses` needs, on ``self.device``; the networks are there."""
        self.losses = ImageLosses(self.opt["train"]).to(self.device)

    def compute_losses(self, lq: Tensor, gt: Tensor) -> "OrderedDict[str, Tensor]":
        """Compute the losses of a batch, or of the part of it that ``train: accumulate`` makes.

        The network runs within :meth:`autocast`, losses in float32. ``self.training_network`` is called, which is
        compiled if that is wanted, and under a launcher the wrapper that exchanges gradients.

        Args:
            lq: LR images (b, C, H, W).
            gt: HR images (b, C, sH, sW).

        Returns:
            Scalars that depend on what is trained, by the names under which they are logged; their sum is minimised.
        """
        with self.autocast():
            output = self.run_network(lq, gt)
        self.output = output.detach()
        losses: OrderedDict[str, Tensor] = self.losses(output.float(), gt)
        return losses

    def run_network(self, lq: Tensor, gt: Tensor) -> Tensor:
        """Super-resolve LR images (b, C, H, W) in a step of training; a network that is for study may see ``gt``."""
        sr: Tensor = self.training_network(lq)
        return sr

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        """Make the groups of what ``optim_g`` trains.

        Args:
            lr: Its learning rate.

        Returns:
            Parameter groups for an optimizer.
        """
        return [{"params": trainable(self.net_g), "lr": lr}]

    def setup_optimizers(self) -> None:
        """Set up one optimizer over :meth:`parameter_groups`."""
        options = dict(self.opt["train"]["optim_g"])
        optim_type, lr = options.pop("type"), options.pop("lr")
        groups = self.parameter_groups(lr)
        options = choose_kernels(optim_type, options, self.device.type)
        self.optimizer_g = self.get_optimizer(optim_type, groups, lr, **options)
        self.optimizers.append(self.optimizer_g)
        self._trained = [parameter for group in groups for parameter in group["params"]]

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Context in which the network computes in the precision that ``train: amp`` names."""
        if self.train_options.amp is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=AMP_DTYPES[self.train_options.amp])

    def optimize_parameters(self, current_iter: int) -> None:
        """Take one training step on the batch that was fed.

        Raises:
            DivergenceError: If the loss or a gradient is not finite, on any rank; every rank raises, and the
                parameters are those of the previous step.
        """
        parts = self.train_options.accumulate
        self.optimizer_g.zero_grad(set_to_none=True)
        sums: OrderedDict[str, Tensor] = OrderedDict()
        for part, (lq, gt) in enumerate(zip(self.lq.chunk(parts), self.gt.chunk(parts), strict=True)):
            # Ranks exchange gradients once, with the last part.
            wait = self.opt["dist"] and part < parts - 1
            self.position = (current_iter, part)
            exchange = self.net_g.no_sync() if wait else contextlib.nullcontext()
            with exchange, telling_what_to_change(self._less_to_train):
                losses = self.compute_losses(lq, gt)
                torch.autograd.backward(self.scaler.scale(_sum_of(losses) / parts))
            for key, loss in losses.items():
                sums[key] = sums.get(key, 0) + loss.detach() / parts
        stop_unless_finite(
            _sum_of(sums),
            self._clip_gradients(),
            scaler=self.scaler,
            distributed=self.opt["dist"],
            iteration=current_iter,
            rate=self.get_current_learning_rate()[0],
            states=Path(self.opt["path"]["training_states"]),
        )
        with telling_what_to_change(self._less_to_train):  # in the first step the optimizer gets its memory
            self.scaler.step(self.optimizer_g)
        self.scaler.update()
        self.step_losses = sums
        if self.ema_decay > 0:
            self.model_ema(decay=decay_at(current_iter, self.ema_decay, warmup=self.train_options.ema_warmup))
        self.trained_iter = current_iter

    def _less_to_train(self) -> str:
        count, _, height, width = self.gt.shape
        parts = self.train_options.accumulate
        amp = "" if self.train_options.amp else ", or set train: amp: bf16"
        return (
            f"for a step on {count // parts} images of {width} x {height} HR pixels at once: raise train: accumulate "
            f"(now {parts}; the batch is computed in so many parts), lower batch_size_per_gpu or gt_size of "
            f"datasets: train{amp}"
        )

    def get_current_log(self) -> "OrderedDict[str, float]":
        """Losses of the last step for the log, on rank 0 their means over all ranks; every rank has to ask at once."""
        means: OrderedDict[str, float] = self.reduce_loss_dict(self.step_losses)
        return means

    def _clip_gradients(self) -> Tensor:
        """Clip the gradients if that is wanted; returns their norm before."""
        self.scaler.unscale_(self.optimizer_g)
        if self.train_options.grad_clip is not None:
            return nn.utils.clip_grad_norm_(self._trained, self.train_options.grad_clip)
        return nn.utils.get_total_norm([p.grad for p in self._trained if p.grad is not None])

    def model_ema(self, decay: float = 0.999) -> None:
        """Update the moving average of what is trained."""
        self._average.update(decay)

    def more_training_state(self) -> dict[str, Any]:
        """The model's own entry of a training state: the loss scale."""
        return {"scaler": self.scaler.state_dict()}

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Go on from a training state: optimizer, scheduler, loss scale, and the best network so far.

        Args:
            resume_state: As :meth:`save_training_state` wrote it; one of stock BasicSR serves, too.
        """
        super().resume_training(resume_state)
        if resume_state.get("scaler"):
            self.scaler.load_state_dict(resume_state["scaler"])
        self.trained_iter = resume_state["iter"]
        if self._best is not None:
            self._best.resume(resume_state["iter"])


def _sum_of(losses: Mapping[str, Tensor]) -> Tensor:
    return functools.reduce(operator.add, losses.values())
