"""Training and testing of networks with a semantic guide."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import master_only
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor, nn

from segsr_arch.compat.registration import register
from segsr_arch.errors import ConfigError
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.models.optimization import split_lora
from segsr_arch.models.tensorboard_images import map_strip
from segsr_arch.models.train_options import GuideTrainOptions
from segsr_arch.models.training_model import TrainingModel
from segsr_arch.models.unit_penalty import UnitPenalty
from segsr_arch.option_fields import keys_of


@register(MODEL_REGISTRY)
class SeGSRModel(TrainingModel):
    """A :class:`TrainingModel` that knows guided networks; it trains any other as that does.

    LoRA has a learning rate of its own (``train: lora_lr_factor``); the log names the vision-language model and the
    parameters of each part, records of validations name it, too, and TensorBoard shows guidance maps. ``train:
    unit_penalty`` adds a loss that keeps units apart. A guide with ``maps: oracle`` is shown the ground truth.

    Args:
        opt: The option mapping of BasicSR.

    Raises:
        ConfigError: If an option is wrong.
    """

    option_keys = {"train": keys_of(GuideTrainOptions)}

    @classmethod
    def check_options(cls, opt: Mapping[str, Any]) -> None:
        """As in :class:`TrainingModel`, with the learning rate of LoRA."""
        super().check_options(opt)
        if opt["is_train"]:
            GuideTrainOptions.read(opt["train"])

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__(opt)
        if self.tile is not None and self._sees_truth(self.tested_network):
            raise ConfigError("tile: a guide with semantics: maps: oracle sees whole HR images; leave tile out.")

    def build_losses(self) -> None:
        """Build the losses between images and, if it is wanted, the one between units."""
        super().build_losses()
        self._penalty_weight = GuideTrainOptions.read(self.opt["train"]).unit_penalty
        self._penalty = UnitPenalty(self.get_bare_model(self.net_g)) if self._penalty_weight else None

    def compute_losses(self, lq: Tensor, gt: Tensor) -> "OrderedDict[str, Tensor]":
        """As in :class:`TrainingModel`, and ``l_units`` with ``train: unit_penalty``."""
        losses = super().compute_losses(lq, gt)
        if self._penalty is not None:
            losses["l_units"] = self._penalty_weight * self._penalty()
        return losses

    @staticmethod
    def _sees_truth(network: nn.Module) -> bool:
        return isinstance(network, GuidedNetwork) and network.guide.config.maps == "oracle"

    def run_network(self, lq: Tensor, gt: Tensor) -> Tensor:
        """Super-resolve LR images (b, 3, H, W) in a step of training; an oracle sees HR images (b, 3, sH, sW)."""
        if not self._sees_truth(self.get_bare_model(self.net_g)):
            return super().run_network(lq, gt)
        sr: Tensor = self.training_network(lq, gt=gt)
        return sr

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Take in a batch; ground truth of an earlier one does not stay."""
        self.__dict__.pop("gt", None)
        super().feed_data(data)

    def super_resolve(self, lq: Tensor) -> Tensor:
        """Super-resolve images as :class:`TrainingModel` does; an oracle sees the ground truth that was fed."""
        network = self.tested_network
        if not self._sees_truth(network):
            return super().super_resolve(lq)
        sr: Tensor = network(lq, gt=getattr(self, "gt", None))
        return sr

    @master_only  # type: ignore[untyped-decorator]
    def print_network(self, net: nn.Module) -> None:
        """Log the name, the parameter counts and the vision-language model of a network."""
        super().print_network(net)
        net = self.get_bare_model(net)
        if isinstance(net, GuidedNetwork):
            get_root_logger().info(f"Vision-language model: {net.guide.feature_extraction.identity}")

    def parameter_counts(self, net: nn.Module) -> dict[str, int]:
        """Count the parameters of a bare network, by part for a guided one."""
        return super().parameter_counts(net) | (net.parameter_counts() if isinstance(net, GuidedNetwork) else {})

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        """Make the groups of what is trained: everything but LoRA, then LoRA with its factor, if there is any."""
        factor = GuideTrainOptions.read(self.opt["train"]).lora_lr_factor
        return split_lora(self.net_g, lr=lr, lora_lr_factor=factor)

    def pictures(self, lq: Tensor) -> Mapping[str, np.ndarray]:
        """Draw the guidance maps of an image, if the network has any."""
        network = self.tested_network
        if not (isinstance(network, GuidedNetwork) and network.has_maps):
            return {}
        return {"maps": map_strip(network.guidance_maps(lq, getattr(self, "gt", None))[0])}

    @property
    def vlm(self) -> str | None:
        """The vision-language model of a guided network and its weights."""
        network = self.tested_network
        return str(network.guide.feature_extraction.identity) if isinstance(network, GuidedNetwork) else None
