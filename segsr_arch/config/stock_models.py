"""What single model classes of BasicSR need beside the keys of their sections, and would miss within a run."""

from collections.abc import Mapping
from typing import Any

from segsr_arch.config.model_tables import DEGRADATION_NEEDED, GT_USM
from segsr_arch.config.problems import Problems
from segsr_arch.option_keys import is_whole

QUEUE_SIZE = 180  # BasicSR's default


def check_stock_model(problems: Problems, opt: Mapping[str, Any], model: type, *, is_train: bool) -> None:
    """Check what models that degrade images themselves, and models of videos, need to train.

    Args:
        problems: Where problems go.
        opt: The options, right otherwise.
        model: The model class.
        is_train: Whether the run trains.
    """
    from basicsr.models.realesrgan_model import RealESRGANModel
    from basicsr.models.realesrnet_model import RealESRNetModel
    from basicsr.models.video_recurrent_model import VideoRecurrentModel

    if not is_train:
        return
    if issubclass(model, (RealESRGANModel, RealESRNetModel)) and opt.get("high_order_degradation", True):
        sharpened = ("gt_usm",) if issubclass(model, RealESRNetModel) else GT_USM
        _check_degradation(problems, opt, model, (*DEGRADATION_NEEDED, *sharpened))
    validates = any(str(name).split("_")[0] == "val" for name in opt["datasets"]) and opt.get("val") is not None
    if issubclass(model, VideoRecurrentModel) and validates:
        problems.at("datasets").add(
            f"{model.__name__} of BasicSR fails in any validation while it trains, with save_img as without; remove "
            "val: and the data sets for it, and measure with basicsr test (val: save_img: true)",
        )


def _check_degradation(problems: Problems, opt: Mapping[str, Any], model: type, wanted: tuple[str, ...]) -> None:
    for key in wanted:
        if opt.get(key) is None:
            problems.at(key).add(f"is missing; {model.__name__} needs it to degrade images")
    size, batch = opt.get("queue_size", QUEUE_SIZE), opt["datasets"]["train"]["batch_size_per_gpu"]
    if is_whole(size) and size % batch:
        default = "" if "queue_size" in opt else " (by default)"
        remedy = f"take {-(-size // batch) * batch}"
        problems.at("queue_size").add(f"{size}{default} is no multiple of batch_size_per_gpu: {batch}; {remedy}")
