"""What a training keeps beside its model, so that it can be stopped anywhere and go on as if it had not been."""

import functools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from segsr_arch.errors import SaveError
from segsr_arch.training.learning_watch import LearningWatch
from segsr_arch.training.random_state import kept_random_state, random_state, restore_random_state
from segsr_arch.training.sample_order import SampleOrder
from segsr_arch.training.trained_options import edits, plain, trained_options
from segsr_arch.training.validation_mark import ValidationMark

logger = logging.getLogger(__name__)


class TrainingRun:
    """Surrounds a model of BasicSR in training, of whatever class.

    Its states also hold the options that it is trained with, the place in the order of images, the states of the
    generators of random numbers, and the best figures. Validation draws no random numbers from those of the training.
    In a distributed run the state has those of the first process; the others are seeded anew at each save, so that they
    can be seeded in the same way when the run is resumed.

    Args:
        opt: Options of the training, before a model takes parts out of them.
        order: Order of the images, ``None`` if the loader is none of BasicSR's.
        val_loaders: Validation loaders.
        tb_logger: TensorBoard writer or ``None``.
    """

    def __init__(
        self,
        opt: Mapping[str, Any],
        *,
        order: SampleOrder | None = None,
        val_loaders: Sequence[DataLoader[Any]] = (),
        tb_logger: Any = None,
    ) -> None:
        self.options = trained_options(opt)
        self._order, self._val_loaders, self._tb_logger = order, val_loaders, tb_logger
        self._model: Any = None

    @functools.cached_property
    def _mark(self) -> ValidationMark:
        return ValidationMark(Path(self._model.opt["path"]["training_states"]).parent)

    def surround(self, model: Any) -> Any:
        """Watch a model that was just built; returns it, its methods changed."""
        self._model, model.training_run = model, self
        watch = LearningWatch(model)
        optimize_parameters, validation, save, resume_training = (
            getattr(model, name) for name in ("optimize_parameters", "validation", "save", "resume_training")
        )

        @functools.wraps(optimize_parameters)
        def watched_step(current_iter: int) -> None:
            optimize_parameters(current_iter)
            watch.note(current_iter)

        @functools.wraps(validation)
        def marked_validation(dataloader: DataLoader[Any], current_iter: Any, *args: Any, **options: Any) -> None:
            with kept_random_state():
                validation(dataloader, current_iter, *args, **options)
            self._note_validation(dataloader, current_iter)

        @functools.wraps(save)
        def seeded_save(epoch: int, current_iter: int) -> None:
            save(epoch, current_iter)
            if current_iter != -1 and model.opt.get("rank", 0) > 0:  # the state has the numbers of the first process
                self._reseed(current_iter)

        @functools.wraps(resume_training)
        def completed_resume(resume_state: Mapping[str, Any]) -> None:
            resume_training(resume_state)
            self._resume(resume_state)

        model.optimize_parameters, model.validation = watched_step, marked_validation
        model.save, model.resume_training = seeded_save, completed_resume
        return model

    def state(self, epoch: int, iteration: int) -> dict[str, Any]:
        """Entries of a training state beyond BasicSR's.

        Args:
            epoch: Epoch in which it is saved.
            iteration: Last iteration that was trained.
        """
        self._mark.forget(iteration)
        return {
            "options": self.options,
            "order": self._order.state(epoch, iteration) if self._order else None,
            "random": random_state(),
            "best_metrics": plain(getattr(self._model, "best_metric_results", {})),
        }

    def _resume(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that the model has taken its own part of."""
        iteration, saved = state["iter"], state.get("options")
        if saved is None:
            logger.warning(
                "This state does not say with which options it was trained (stock BasicSR or an older version saved "
                "it), so they cannot be compared. Learning rate, schedule and optimizer settings are those of the "
                "option file."
            )
        edited = edits(saved, self.options) if saved else []
        for edit in edited:
            logger.info("%s takes effect from iteration %d", edit, iteration + 1)
        if iteration >= self._model.opt["train"]["total_iter"]:
            logger.warning(
                "The state is that of iteration %d and train: total_iter is %s: nothing is left to train.",
                iteration,
                self._model.opt["train"]["total_iter"],
            )
        differences = self._restore(state, reseed=any(edit.key == "manual_seed" for edit in edited))
        if differences:
            logger.warning(
                "The resumed run is not exactly what the uninterrupted one would be: %s.", "; ".join(differences)
            )
        else:
            logger.info("Goes on with the images, crops and random numbers that come after iteration %d.", iteration)
        if saved is not None:
            self._make_up_for_validation(iteration)

    def _restore(self, state: Mapping[str, Any], *, reseed: bool) -> list[str]:
        """Restore order, random numbers and best figures; returns what could not be restored exactly."""
        opt, differences = self._model.opt, []
        problem = self._order.resume(state) if self._order else None
        if problem:
            differences.append(f"{problem}, so the epoch begins again")
        if hasattr(self._model, "queue_size"):
            differences.append("the model's pool of degraded pairs (queue_size) begins empty")
        rank, random_numbers = opt.get("rank", 0), state.get("random")
        if random_numbers is None:
            differences.append("the state has no states of random number generators")
        elif opt.get("dist") and opt["world_size"] > 1 and state["iter"] % opt["logger"]["save_checkpoint_freq"]:
            differences.append("saved between regular saves, it lacks random numbers of other processes (dropout)")
        if reseed or random_numbers is None or rank > 0:
            self._reseed(state["iter"])
        elif not restore_random_state(random_numbers):
            differences.append("the random numbers of other GPUs were saved than are in use")
        self._mark.read()
        best = self._mark.best_metrics(state["iter"]) or state.get("best_metrics")
        metrics = (opt.get("val") or {}).get("metrics")
        if best and metrics:
            self._model.best_metric_results = {name: _best_of(record, metrics) for name, record in best.items()}
        return differences

    def _reseed(self, iteration: int) -> None:
        """Seed all generators by seed, iteration and process."""
        from basicsr.utils import set_random_seed

        opt = self._model.opt
        if opt.get("manual_seed") is not None:
            set_random_seed(opt["manual_seed"] + iteration + opt.get("rank", 0))

    def _make_up_for_validation(self, iteration: int) -> None:
        """Validate a network that was to be validated before the run was stopped."""
        opt = self._model.opt
        val = opt.get("val")
        # The validation at the end of a training is still to come.
        due = self._val_loaders and val and iteration % val["val_freq"] == 0 and iteration < opt["train"]["total_iter"]
        completed = self._mark.completed(iteration) if due else None
        for loader in self._val_loaders:
            dataset: Any = loader.dataset
            name = dataset.opt["name"]
            if completed is not None and name not in completed:
                logger.info("The validation of iteration %d on %s was cut off; it is made up for.", iteration, name)
                self._model.validation(loader, iteration, self._tb_logger, val["save_img"])

    def _note_validation(self, dataloader: Any, current_iter: int) -> None:
        opt = self._model.opt
        if opt.get("rank", 0) > 0:
            return
        iteration = int(min(current_iter, opt["train"]["total_iter"]))  # BasicSR counts on after the last one
        best = getattr(self._model, "best_metric_results", {})
        try:
            self._mark.add(iteration, dataloader.dataset.opt["name"], best)
        except SaveError as error:
            logger.error("%s If the run is resumed from here, it validates once more.", error)


def _best_of(record: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Best figures of a data set by the metrics of now; those that are new, or turned around, begin anew."""
    best = {}
    for name, options in metrics.items():
        better = options.get("better", "higher")
        known = record.get(name)
        if known is None or known["better"] != better:
            known = {"better": better, "val": float("-inf") if better == "higher" else float("inf"), "iter": -1}
        best[name] = known
    return best
