"""Super-resolving, measuring and recording, while a network trains and in a test."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import master_only
from torch import Tensor, nn
from torch.utils.data import DataLoader

from segsr_arch.errors import SaveError
from segsr_arch.inference.super_resolution import super_resolve
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.models.best_network import BestNetwork
from segsr_arch.models.tensorboard_images import ValidationImages
from segsr_arch.models.train_options import ValidationOptions
from segsr_arch.models.validation import ValidationResult, validate
from segsr_arch.models.validation_record import make_record, record_folder
from segsr_arch.option_fields import keys_of
from segsr_arch.option_keys import Key
from segsr_arch.results.writing import write_record
from segsr_arch.running.failures import naming_image
from segsr_arch.running.memory import telling_what_to_change

_SHOWN_PROBLEMS = 3


class ValidatedModel(SRModel):  # type: ignore[misc] # of a package without types
    """BasicSR's ``SRModel`` with what validating and testing any network needs.

    ``tile: {size, overlap}``; images of any size; validation shared among ranks, figures by image and class beside the
    experiment, images in TensorBoard (``val: tensorboard_images``, how many); ``net_g_best.pth`` by the first of ``val:
    metrics`` on the first validation set.

    Args:
        opt: The option mapping of BasicSR.

    Raises:
        ConfigError: If an option is wrong.
    """

    pads_images = True  # to what the network takes, in validation and test
    option_keys = {
        "": {"tile": Key("mapping", keys=keys_of(TileOptions), help="tiles in validation and test; null for none")},
        "val": keys_of(ValidationOptions),
    }

    @classmethod
    def check_options(cls, opt: Mapping[str, Any]) -> None:
        """Find what is wrong with the options before anything is built or moved.

        Args:
            opt: The whole options with ``is_train``.

        Raises:
            ConfigError: What the constructor would raise, or the first validation.
        """
        TileOptions.from_options(opt.get("tile"))
        ValidationOptions.read(opt.get("val"))

    def __init__(self, opt: dict[str, Any]) -> None:
        self.tile = TileOptions.from_options(opt.get("tile"))
        self.trained_iter: int | None = None
        self._best = BestNetwork(opt) if opt["is_train"] else None
        self._shown_datasets: set[str] = set()
        super().__init__(opt)

    @master_only  # type: ignore[untyped-decorator]
    def print_network(self, net: nn.Module) -> None:
        """Log the name and the parameter counts of a network."""
        net = self.get_bare_model(net)
        listed = ", ".join(f"{part} {count / 1e6:.2f} M" for part, count in self.parameter_counts(net).items())
        get_root_logger().info(f"Network {type(net).__name__}, parameters: {listed}")

    def parameter_counts(self, net: nn.Module) -> dict[str, int]:
        """Count the parameters of a bare network, by part if its parts are known; for the log."""
        return {"all": sum(parameter.numel() for parameter in net.parameters())}

    def _less_to_test(self) -> str:
        height, width = self.lq.shape[-2:]
        if self.tile is None:
            size = max(1, min(TileOptions().size, max(height, width) // 2))
            return f"for an LR image of {width} x {height} at once: set tile: {{size: {size}, overlap: {size // 4}}}"
        return f"for tiles of {self.tile.size} LR pixels, {self.tile.batch} at once: lower tile: size or batch"

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Move a batch to the device; a copy from pinned memory is not waited for."""
        self.lq = data["lq"].to(self.device, non_blocking=True)
        if "gt" in data:
            self.gt = data["gt"].to(self.device, non_blocking=True)

    @property
    def tested_network(self) -> nn.Module:
        """The bare network that validation and test run: the moving average, if there is one."""
        network: nn.Module = self.net_g_ema if hasattr(self, "net_g_ema") else self.get_bare_model(self.net_g)
        return network

    def super_resolve(self, lq: Tensor) -> Tensor:
        """Super-resolve images of any size, with ``tile:`` in tiles.

        :attr:`tested_network` is in evaluation mode, and no gradients are kept.

        Args:
            lq: LR images (B, C, H, W), which stay what they are.

        Returns:
            SR images (B, C, sH, sW), about [0, 1], not clipped.
        """
        return super_resolve(self.tested_network, lq, scale=self.opt["scale"], tile=self.tile)

    def test(self) -> None:
        """Super-resolve ``self.lq`` into ``self.output``; ``self.lq`` and the network's mode stay what they are."""
        with self.evaluating(), telling_what_to_change(self._less_to_test):
            self.output = self.super_resolve(self.lq)

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Run :attr:`tested_network` in evaluation mode and without gradients; its mode is put back."""
        network = self.tested_network
        was_training = network.training
        network.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            network.train(was_training)

    @naming_image
    def validation(
        self, dataloader: DataLoader[Any], current_iter: int | str, tb_logger: Any, save_img: bool = False
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
        iteration = int(current_iter) if self.opt["is_train"] else None
        dataset: Any = dataloader.dataset
        dataset_name = dataset.opt["name"]
        show = self._shown_images(dataset_name, iteration, tb_logger)
        result = validate(self, dataloader, current_iter, save_img, show)
        self.metric_results = dict(result.means)
        if result.problems:
            shown = "; ".join(result.problems[:_SHOWN_PROBLEMS])
            count = len(result.problems)
            get_root_logger().warning(f"{dataset_name}: {count} figures or images are not in the means: {shown} ...")
        if self.opt["rank"] == 0:
            self._write_record(result, dataset_name, iteration)
        if self.opt["rank"] == 0 and self.metric_results:
            self._initialize_best_metric_results(dataset_name)
            for metric, value in self.metric_results.items():
                self._update_best_metric_result(dataset_name, metric, value, current_iter)
            self._log_validation_metric_values(current_iter, dataset_name, tb_logger)
            if self._best is None or iteration is None:
                return
            if self._best.is_improved_by(dataset_name, self.metric_results):
                networks = [self.net_g, self.net_g_ema] if hasattr(self, "net_g_ema") else [self.net_g]
                self.save_network(networks, "net_g", "best", param_key=["params", "params_ema"][: len(networks)])
                self._best.remember(self.metric_results, iteration)

    def pictures(self, lq: Tensor) -> Mapping[str, np.ndarray]:
        """Draw what TensorBoard shows of an image beside LR, SR and HR.

        Args:
            lq: LR image (1, C, H, W).

        Returns:
            (H, W, 3) RGB uint8 by name.
        """
        return {}

    @property
    def vlm(self) -> str | None:
        """The vision-language model of the network and its weights, for the record of a validation."""
        return None

    def _shown_images(self, dataset_name: str, iteration: int | None, tb_logger: Any) -> ValidationImages | None:
        count = ValidationOptions.read(self.opt["val"]).tensorboard_images
        if tb_logger is None or iteration is None or count == 0:
            return None
        first = dataset_name not in self._shown_datasets
        self._shown_datasets.add(dataset_name)
        return ValidationImages(
            tb_logger=tb_logger,
            more_pictures=self.pictures,
            dataset=dataset_name,
            iteration=iteration,
            count=count,
            first=first,
        )

    def _write_record(self, result: ValidationResult, dataset_name: str, iteration: int | None) -> None:
        """Write the figures of each image and class; a full disk does not end a training for that."""
        record = make_record(self.opt, result, dataset=dataset_name, iteration=iteration, vlm=self.vlm)
        try:
            root = self.opt["path"]["results_root" if iteration is None else "experiments_root"]
            write_record(record_folder(self.opt, dataset_name, iteration), record, root=root)
        except SaveError as error:
            if not self.opt["is_train"]:
                raise
            get_root_logger().error(f"{error} The figures of this validation's images are not kept; training goes on.")
