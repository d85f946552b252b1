"""What BasicSR's training pipeline makes on its way to a model."""

from collections.abc import Mapping
from typing import Any

from torch.utils.data import DataLoader, Dataset

from segsr_arch.training.sample_order import SampleOrder


class Pipeline:
    """What BasicSR's training pipeline has made before it builds the model, which has to know all of it.

    BasicSR trains one network a process. Between two pipelines nothing is noted: loaders of other code are none of
    the next training's business.

    Attributes:
        state: Training state that is resumed, or ``None``.
        order: Order of the images of the training loader, if there is one.
    """

    def __init__(self) -> None:
        self._begun = False
        self._clear()

    def _clear(self) -> None:
        self.state: Mapping[str, Any] | None = None
        self.order: SampleOrder | None = None
        self._val_loaders: list[DataLoader[Any]] = []
        self._tb_logger: Any = None

    def begin(self, state: Mapping[str, Any] | None) -> None:
        """Begin with the state that is resumed, or with none."""
        self._clear()
        self._begun, self.state = True, state

    def note_loader(self, loader: DataLoader[Any], dataset: Dataset[Any], phase: str) -> None:
        """Note a loader of images of ``dataset`` for training or validation."""
        if not self._begun:
            return
        if phase != "train":
            self._val_loaders.append(loader)
        elif hasattr(loader.sampler, "set_epoch"):  # BasicSR's sampler, not one of torch's
            self.order = SampleOrder(loader, dataset)
            if self.state is not None:
                self.order.resume(self.state)

    def note_tb_logger(self, tb_logger: Any) -> None:
        """Note the TensorBoard writer."""
        self._tb_logger = tb_logger

    def end(self) -> dict[str, Any]:
        """Hand over what the model's run has to know."""
        parts = {"order": self.order, "val_loaders": self._val_loaders, "tb_logger": self._tb_logger}
        self._begun = False
        self._clear()
        return parts


PIPELINE = Pipeline()
