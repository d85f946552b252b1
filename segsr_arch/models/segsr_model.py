"""Training and testing of SeG-SR, and of any network beside it, in BasicSR's loops."""

import contextlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import master_only
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor, nn
from torch.utils.data import DataLoader

from segsr_arch.compat.registration import register
from segsr_arch.errors import SaveError
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.inference.super_resolution import super_resolve
from segsr_arch.inference.tiles import TileOptions
from segsr_arch.models.best_network import BestNetwork
from segsr_arch.models.divergence import stop_unless_finite
from segsr_arch.models.ema import MovingAverage
from segsr_arch.models.losses import ImageLosses
from segsr_arch.models.optimization import choose_kernels, parameter_groups
from segsr_arch.models.tensorboard_images import ValidationImages
from segsr_arch.models.train_options import AMP_DTYPES, TrainOptions, ValidationOptions, check_training
from segsr_arch.models.validation import ValidationResult, validate
from segsr_arch.models.validation_record import make_record, record_folder
from segsr_arch.option_fields import keys_of
from segsr_arch.option_keys import Key
from segsr_arch.results.writing import write_record
from segsr_arch.running.failures import naming_image

_SHOWN_PROBLEMS = 3


@register(MODEL_REGISTRY)
class SeGSRModel(SRModel):
    """BasicSR's ``SRModel`` with what large guided networks need.

    Beyond ``SRModel``: an optimizer over what is trainable only, LoRA with a learning rate of its own, in torch's
    fused kernels (unless ``optim_g: {fused: false}``); a moving average that shares the frozen vision-language model;
    ``train: amp``, ``grad_clip``, ``accumulate`` and ``lora_lr_factor``; a stop on a loss that is not finite; ``tile:
    {size, overlap}`` in validation and test; validation shared among ranks, figures by image and class beside the
    experiment, images and maps in TensorBoard (``val: tensorboard_images``, how many); ``net_g_best.pth`` by the first
    of ``val: metrics`` on the first validation set.

    Args:
        opt: The option mapping of BasicSR.

    Raises:
        ConfigError: If an option is wrong.
    """

    pads_images = True  # to what the network takes, in validation and test
    option_keys = {
        "": {"tile": Key("mapping", keys=keys_of(TileOptions), help="tiles in validation and test; null for none")},
        "train": keys_of(TrainOptions),
        "val": keys_of(ValidationOptions),
    }

    @staticmethod
    def check_options(opt: Mapping[str, Any]) -> None:
        """Find what is wrong with the options before anything is built or moved.

        Args:
            opt: The whole options with ``is_train``.

        Raises:
            ConfigError: What the constructor would raise.
        """
        TileOptions.from_options(opt.get("tile"))
        if opt["is_train"]:
            check_training(opt)

    def __init__(self, opt: dict[str, Any]) -> None:
        self.tile = TileOptions.from_options(opt.get("tile"))
        self.train_options = TrainOptions.read(opt["train"]) if opt["is_train"] else TrainOptions()
        self.trained_iter: int | None = None
        self._shown_datasets: set[str] = set()
        super().__init__(opt)

    @master_only
    def print_network(self, net: nn.Module) -> None:
        """Log the name and the parameter counts of a network, by part for a guided one."""
        net = self.get_bare_model(net)
        counts = {"all": sum(p.numel() for p in net.parameters())}
        if isinstance(net, GuidedNetwork):
            counts |= net.parameter_counts()
        listed = ", ".join(f"{part} {count / 1e6:.2f} M" for part, count in counts.items())
        get_root_logger().info(f"Network {type(net).__name__}, parameters: {listed}")
        if isinstance(net, GuidedNetwork):
            get_root_logger().info(f"Vision-language model: {net.guide.feature_extraction.identity}")

    def init_training_settings(self) -> None:
        """Build the moving average, the losses, the optimizer and the schedulers from ``train:``."""
        self.net_g.train()
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
        self.losses = ImageLosses(train_opt).to(self.device)
        check_training(self.opt)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.train_options.amp == "fp16")
        self.setup_optimizers()
        self.setup_schedulers()
        self._best = BestNetwork(self.opt)

    def setup_optimizers(self) -> None:
        """Set up one optimizer over what is trainable: everything but LoRA, then LoRA with its factor."""
        options = dict(self.opt["train"]["optim_g"])
        optim_type, lr = options.pop("type"), options.pop("lr")
        groups = parameter_groups(self.net_g, lr=lr, lora_lr_factor=self.train_options.lora_lr_factor)
        options = choose_kernels(optim_type, options, self.device.type)
        self.optimizer_g = self.get_optimizer(optim_type, groups, lr, **options)
        self.optimizers.append(self.optimizer_g)
        self._trained = [parameter for parameter in self.net_g.parameters() if parameter.requires_grad]

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Move a batch to the device; a copy from pinned memory is not waited for."""
        self.lq = data["lq"].to(self.device, non_blocking=True)
        if "gt" in data:
            self.gt = data["gt"].to(self.device, non_blocking=True)

    def _autocast(self) -> contextlib.AbstractContextManager:
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
            with self.net_g.no_sync() if wait else contextlib.nullcontext():
                with self._autocast():
                    output = self.net_g(lq)
                losses = self.losses(output.float(), gt)
                self.scaler.scale(sum(losses.values()) / parts).backward()
            for key, loss in losses.items():
                sums[key] = sums.get(key, 0) + loss.detach() / parts
        self.output = output.detach()
        stop_unless_finite(
            sum(sums.values()),
            self._clip_gradients(),
            scaler=self.scaler,
            distributed=self.opt["dist"],
            iteration=current_iter,
            rate=self.get_current_learning_rate()[0],
            states=Path(self.opt["path"]["training_states"]),
        )
        self.scaler.step(self.optimizer_g)
        self.scaler.update()
        self.step_losses = sums
        if self.ema_decay > 0:
            self.model_ema(decay=self.ema_decay)
        self.trained_iter = current_iter

    def get_current_log(self) -> "OrderedDict[str, float]":
        """Losses of the last step for the log, on rank 0 their means over all ranks; every rank has to ask at once."""
        return self.reduce_loss_dict(self.step_losses)

    def _clip_gradients(self) -> Tensor:
        """Clip the gradients if that is wanted; returns their norm before."""
        self.scaler.unscale_(self.optimizer_g)
        if self.train_options.grad_clip is not None:
            return nn.utils.clip_grad_norm_(self._trained, self.train_options.grad_clip)
        return nn.utils.get_total_norm([p.grad for p in self._trained if p.grad is not None])

    def model_ema(self, decay: float = 0.999) -> None:
        """Update the moving average of what is trained."""
        self._average.update(decay)

    def test(self) -> None:
        """Super-resolve ``self.lq`` into ``self.output``; ``self.lq`` and the network's mode stay what they are."""
        network = self._tested_network()
        was_training = network.training
        network.eval()
        try:
            with torch.no_grad():
                self.output = super_resolve(network, self.lq, scale=self.opt["scale"], tile=self.tile)
        finally:
            network.train(was_training)

    @naming_image
    def validation(
        self, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool = False
    ) -> None:
        """Validate, each rank its share; the mean is logged and the best network kept on rank 0.

        Args:
            dataloader: BasicSR validation loader.
            current_iter: Iteration, or the name of a test run. BasicSR counts one too many after the last
                iteration; here it is the last one trained.
            tb_logger: TensorBoard writer or ``None``.
            save_img: Whether SR images are written.
        """
        if self.opt["is_train"] and self.trained_iter is not None:
            current_iter = self.trained_iter
        dataset_name = dataloader.dataset.opt["name"]
        show = self._shown_images(dataset_name, current_iter, tb_logger)
        result = validate(self, dataloader, current_iter, save_img, show)
        self.metric_results = dict(result.means)
        if result.problems:
            shown = "; ".join(result.problems[:_SHOWN_PROBLEMS])
            count = len(result.problems)
            get_root_logger().warning(f"{dataset_name}: {count} figures or images are not in the means: {shown} ...")
        if self.opt["rank"] == 0:
            self._write_record(result, dataset_name, current_iter if self.opt["is_train"] else None)
        if self.opt["rank"] == 0 and self.metric_results:
            self._initialize_best_metric_results(dataset_name)
            for metric, value in self.metric_results.items():
                self._update_best_metric_result(dataset_name, metric, value, current_iter)
            self._log_validation_metric_values(current_iter, dataset_name, tb_logger)
            if self.opt["is_train"]:
                self._keep_best(dataset_name, current_iter)

    def _tested_network(self) -> nn.Module:
        """The network that validation runs: the moving average, if there is one."""
        return self.net_g_ema if hasattr(self, "net_g_ema") else self.get_bare_model(self.net_g)

    def _shown_images(self, dataset_name: str, iteration: int, tb_logger: Any) -> ValidationImages | None:
        count = ValidationOptions.read(self.opt["val"]).tensorboard_images
        if tb_logger is None or not self.opt["is_train"] or count == 0:
            return None
        first = dataset_name not in self._shown_datasets
        self._shown_datasets.add(dataset_name)
        return ValidationImages(
            tb_logger=tb_logger,
            network=self._tested_network(),
            dataset=dataset_name,
            iteration=iteration,
            count=count,
            first=first,
        )

    def _write_record(self, result: ValidationResult, dataset_name: str, iteration: int | None) -> None:
        """Write the figures of each image and class; a full disk does not end a training for that."""
        network = self._tested_network()
        vlm = str(network.guide.feature_extraction.identity) if isinstance(network, GuidedNetwork) else None
        record = make_record(self.opt, result, dataset=dataset_name, iteration=iteration, vlm=vlm)
        try:
            root = self.opt["path"]["results_root" if iteration is None else "experiments_root"]
            write_record(record_folder(self.opt, dataset_name, iteration), record, root=root)
        except SaveError as error:
            if not self.opt["is_train"]:
                raise
            get_root_logger().error(f"{error} The figures of this validation's images are not kept; training goes on.")

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
        self._best.resume(self.trained_iter)

    def _keep_best(self, dataset_name: str, current_iter: int) -> None:
        """Save ``net_g_best.pth`` if the first metric on the first validation set has improved."""
        if not self._best.is_improved_by(dataset_name, self.metric_results):
            return
        networks = [self.net_g, self.net_g_ema] if hasattr(self, "net_g_ema") else [self.net_g]
        self.save_network(networks, "net_g", "best", param_key=["params", "params_ema"][: len(networks)])
        self._best.remember(self.metric_results, current_iter)
