"""A training can be stopped anywhere, and says so if it learns nothing.

Symptom: best figures and random numbers begin anew after a resume; a validation that a kill cuts off is never done; a
training that learns nothing ends as if it had.
Cause: BasicSR's states hold none of it, nor the options that they were trained with.
"""

from collections.abc import Callable
from typing import Any

from segsr_arch.compat.patching import is_stock, wrap_stock
from segsr_arch.compat.pipeline import PIPELINE
from segsr_arch.training.run import TrainingRun


def repair() -> bool:
    """Surround each model in training with a :class:`~segsr_arch.training.run.TrainingRun`."""
    import basicsr.models
    import basicsr.train

    def wrap_models(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def build_model(opt: dict[str, Any]) -> Any:
            if not opt["is_train"]:
                return build(opt)
            run = TrainingRun(opt, **PIPELINE.end())  # before the model: it takes parts out of the options
            return run.surround(build(opt))

        return build_model

    def wrap_loggers(init: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def init_tb_loggers(opt: dict[str, Any]) -> Any:
            tb_logger = init(opt)
            PIPELINE.note_tb_logger(tb_logger)
            return tb_logger

        return init_tb_loggers

    broken = is_stock(basicsr.models.build_model, "deepcopy", "MODEL_REGISTRY")
    if not (broken and wrap_stock(basicsr.train, "init_tb_loggers", wrap_loggers, uses=("init_tb_logger",))):
        return False
    return wrap_stock(basicsr.models, "build_model", wrap_models, uses=())
