"""Trainings that can be stopped anywhere: samples in a known order, models surrounded by what has to be kept."""

import logging

import torch
from torch.utils.data import IterableDataset

from segsr_arch.compat.patching import is_stock, substitute
from segsr_arch.running.failures import NamedCollate
from segsr_arch.training.run import TrainingRun
from segsr_arch.training.sample_order import SampleOrder, in_order
from segsr_arch.training.seeded_samples import SeededSamples

# Not get_root_logger(): it would leave the coming training without a log file.
logger = logging.getLogger(__name__)


class Pipeline:
    """What BasicSR's training pipeline has made before it builds the model, which has to know all of it.

    BasicSR trains one network a process. Between two pipelines nothing is noted: loaders of other code are none of
    the next training's business.

    Attributes:
        state: Training state that is resumed, or ``None``.
        order: Order of the images of the training loader, if there is one.
    """

    def __init__(self):
        self._begun = False
        self._clear()

    def _clear(self):
        self.state, self.order, self._val_loaders, self._tb_logger = None, None, [], None

    def begin(self, state):
        """Begin with the state that is resumed, or with none."""
        self._clear()
        self._begun, self.state = True, state

    def note_loader(self, loader, dataset, phase):
        """Note a loader of images of ``dataset`` for training or validation."""
        if not self._begun:
            return
        if phase != "train":
            self._val_loaders.append(loader)
        elif hasattr(loader.sampler, "set_epoch"):  # BasicSR's sampler, not one of torch's
            self.order = SampleOrder(loader, dataset)
            if self.state is not None:
                self.order.resume(self.state)

    def note_tb_logger(self, tb_logger):
        """Note the TensorBoard writer."""
        self._tb_logger = tb_logger

    def end(self):
        """Hand over what the model's run has to know."""
        parts = {"order": self.order, "val_loaders": self._val_loaders, "tb_logger": self._tb_logger}
        self._begun = False
        self._clear()
        return parts


PIPELINE = Pipeline()


def repair_sample_order():
    """Make crops and flips depend on seed, epoch and place, and give samples of a resumed epoch from where it stopped.

    Cause: workers draw from generators of their own, one after the other, so what they draw depends on their number,
    and a resumed run draws again what it began with. ``EnlargedSampler`` begins an epoch that is resumed again: some
    images are seen twice, others never. And each iterator of a loader takes a number from the generator from which the
    network's dropout is drawn.

    Returns:
        True if the stock functions were there.
    """
    from basicsr import data
    from basicsr.data.data_sampler import EnlargedSampler

    build, sample = data.build_dataloader, EnlargedSampler.__iter__
    if not (is_stock(build, "PrefetchDataLoader") and is_stock(sample, "randperm", "total_size")):
        return False

    def build_dataloader(dataset, dataset_opt, num_gpu=1, dist=False, sampler=None, seed=None):
        phase, read = dataset_opt["phase"], dataset
        if phase == "train" and seed is not None and not isinstance(dataset, IterableDataset):
            read = SeededSamples(dataset, seed)
        loader = build(read, dataset_opt, num_gpu=num_gpu, dist=dist, sampler=sampler, seed=seed)
        loader.collate_fn = NamedCollate(loader.collate_fn)
        loader.generator = torch.Generator()
        loader.generator.manual_seed(seed or 0)
        PIPELINE.note_loader(loader, dataset, phase)
        return loader

    EnlargedSampler.__iter__ = lambda sampler: in_order(sampler, list(sample(sampler)))
    substitute(build, build_dataloader)
    return True


def repair_epoch_count():
    """Let a training go on for as many epochs as it needs.

    Cause: ``create_train_val_dataloader`` counts iterations of an epoch as if the incomplete last batch were trained,
    and as if a process had one GPU. The loop ends when its epochs are over: with ``num_gpu: 2`` and no launcher
    halfway to ``total_iter``.

    Returns:
        True if it was stock.
    """
    import basicsr.train

    stock = basicsr.train.create_train_val_dataloader
    if not is_stock(stock, "EnlargedSampler", "ceil"):
        return False

    def create_train_val_dataloader(opt, basicsr_logger):
        train_loader, train_sampler, val_loaders, total_epochs, total_iters = stock(opt, basicsr_logger)
        order = PIPELINE.order
        if order is not None and order.last_epoch(total_iters) > total_epochs:
            total_epochs = order.last_epoch(total_iters)
            logger.info(
                "An epoch has %d iterations, counted by whole batches of all GPUs: epochs go on to %d.",
                order.batches,
                total_epochs,
            )
        return train_loader, train_sampler, val_loaders, total_epochs, total_iters

    substitute(stock, create_train_val_dataloader)
    return True


def repair_training_models():
    """Surround each model in training with a :class:`~segsr_arch.training.run.TrainingRun`.

    Cause: BasicSR's states lack the options that they were trained with, random numbers and best figures; a validation
    that a kill cuts off is never done; and a training that learns nothing ends as if it had.

    Returns:
        True if the stock functions were there.
    """
    import basicsr.models
    import basicsr.train

    build, init_tb_loggers = basicsr.models.build_model, basicsr.train.init_tb_loggers
    if not (is_stock(build, "deepcopy", "MODEL_REGISTRY") and is_stock(init_tb_loggers, "init_tb_logger")):
        return False

    def build_model(opt):
        if not opt["is_train"]:
            return build(opt)
        run = TrainingRun(opt, **PIPELINE.end())  # before the model: it takes parts out of the options
        return run.surround(build(opt))

    def noted_tb_loggers(opt):
        tb_logger = init_tb_loggers(opt)
        PIPELINE.note_tb_logger(tb_logger)
        return tb_logger

    substitute(build, build_model)
    substitute(init_tb_loggers, noted_tb_loggers)
    return True
