"""Checks of patches and images against the sizes that networks take and metrics need."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from segsr_arch.capabilities import SizeRule, size_rule_of
from segsr_arch.config.datasets import LrImages
from segsr_arch.config.mappings import section_of
from segsr_arch.config.problems import Problems
from segsr_arch.config.sections import is_known_code
from segsr_arch.inference.size_trial import SizeTrial
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.inference.window_sizes import window_size_of
from segsr_arch.metrics.registered import describe as describe_metric
from segsr_arch.option_keys import is_whole

Size = tuple[int, int]
_CUT, _CUT_AGAIN = ("datasets", "train", "gt_size"), ("gt_size",)  # RealESRNetModel cuts its patches once more


def check_network_sizes(
    problems: Problems,
    opt: Mapping[str, Any],
    model: type | None,
    network: nn.Module | None,
    images: Sequence[LrImages],
    *,
    is_train: bool,
) -> None:
    """Check that the network takes the patches of the training, and the images of the rest as the model hands them on.

    Models that feed or test a network in a way of their own are let through. A model class that pads the images that
    it tests says so by a class attribute ``pads_images = True``.

    Args:
        problems: Where problems go.
        opt: The options.
        model: The model class, or ``None`` if it is not known.
        network: ``network_g``, built, or ``None``.
        images: LR images of the data sets.
        is_train: Whether the run trains.
    """
    if network is None or model is None or not is_whole(opt.get("scale")):
        return
    trial = SizeTrial(network, channels=_channels(opt))
    patches = _patches(opt, model) if is_train else {}
    handed = _handed_on(opt, model, network, images)
    wanted = {*patches.values(), *(size for sizes in handed.values() for size in sizes.values())}
    rule = trial.find_rule(min(min(size) for size in wanted)) if wanted else None
    if rule is None and not any(trial.takes(*size) for size in sorted(wanted)[:1] + sorted(wanted)[-1:]):
        return  # it cannot be tried
    name = opt["network_g"]["type"]
    for path, size in patches.items():
        if not _fits(size, rule, trial):
            problems.at(*path).add(_patch_problem(opt["scale"], size[0], name, rule))
    for key, sizes in handed.items():
        _check_handed(problems.at("datasets", key), sizes, name, rule, trial, pads=getattr(model, "pads_images", False))


def _fits(size: Size, rule: SizeRule | None, trial: SizeTrial) -> bool:
    return trial.takes(*size) if rule is None else rule.holds(*size)


def _channels(opt: Mapping[str, Any]) -> int:
    colours = [options.get("color") for options in section_of(opt, "datasets").values()]
    return 1 if colours and all(colour == "y" for colour in colours) else 3


def _patches(opt: Mapping[str, Any], model: type) -> dict[tuple[str, ...], Size]:
    """Sides of LR patches by the key that sets them, where the model hands them to the network as they are."""
    if any(not is_known_code(getattr(model, name)) for name in ("feed_data", "optimize_parameters")):
        return {}
    found = {_CUT_AGAIN: opt.get("gt_size"), _CUT: opt["datasets"]["train"].get("gt_size")}
    if is_whole(found[_CUT_AGAIN]):
        del found[_CUT]
    return {key: (side // opt["scale"],) * 2 for key, side in found.items() if is_whole(side) and side >= opt["scale"]}


def _patch_problem(scale: int, side: int, name: str, rule: SizeRule | None) -> str:
    text = f"makes LR patches of {side} x {side} pixels, which {name} does not take"
    if rule is None:
        return f"{text}; take another size"
    nearest = " or ".join(str(scale * value) for value in rule.nearest(side))
    return f"{text}: sides must be {rule}; take {nearest}"


def _handed_on(
    opt: Mapping[str, Any], model: type, network: nn.Module, images: Iterable[LrImages]
) -> dict[str, dict[str, Size]]:
    """Sizes that the network gets in validation and test, by key of the data set and name of the image."""
    from basicsr.models.sr_model import SRModel
    from basicsr.models.swinir_model import SwinIRModel

    tile = opt["tile"].get("size", TileOptions.size) if isinstance(opt.get("tile"), Mapping) else None
    if getattr(model, "pads_images", False):
        rule = size_rule_of(network)
    elif getattr(model, "test", None) is SwinIRModel.test:
        rule = SizeRule(multiple=window_size_of(opt["network_g"]) or 1)
    elif getattr(model, "test", None) is SRModel.test:
        rule, tile = SizeRule(), None
    else:
        return {}

    def handed(side: int) -> int:
        padded = rule.padded(side)
        return padded if tile is None or padded <= tile else rule.padded(tile)

    return {
        entry.key: {name: (handed(height), handed(width)) for name, (height, width) in entry.sizes.items()}
        for entry in images
        if entry.phase != "train" and entry.sizes
    }


def _check_handed(
    here: Problems,
    sizes: Mapping[str, Size],
    name: str,
    rule: SizeRule | None,
    trial: SizeTrial,
    *,
    pads: bool,
) -> None:
    wrong = [image for image, size in sizes.items() if not _fits(size, rule, trial)]
    if not wrong:
        return
    height, width = sizes[wrong[0]]
    text = f"{name} does not take {len(wrong)} of {len(sizes)} LR images, first {wrong[0]} ({width}x{height})"
    text += f": sides must be {rule}" if rule is not None else ""
    if not pads:
        here.add(f"{text}; take model_type: SeGSRModel, which pads images and cuts the result")
    elif rule is not None and rule.multiple > 1:
        declared = f"FOREIGN[{name!r}] = Capabilities(size_multiple={rule.multiple})"
        here.add(f"{text}; declare it, and images are padded: segsr_arch.capabilities.{declared}")
    else:
        here.add(f"{text}; leave them out")


def check_metric_sizes(problems: Problems, opt: Mapping[str, Any], images: Iterable[LrImages]) -> None:
    """Check that images to validate or test on are as large as the metrics need.

    Args:
        problems: Where problems go.
        opt: The options, whose metrics are right otherwise.
        images: LR images of the data sets.
    """
    for key, options in section_of(opt, "val", "metrics").items():
        short, long = describe_metric(options).smallest_size(options)
        for entry in images:
            sizes = {
                name: (opt["scale"] * height, opt["scale"] * width) for name, (height, width) in entry.sizes.items()
            }
            small = [name for name, size in sizes.items() if min(size) < short or max(size) < long]
            if entry.phase == "train" or not small:
                continue
            height, width = sizes[small[0]]
            problems.at("val", "metrics", key).add(
                f"{options['type']} needs images of at least {short} x {long} pixels; {len(small)} of {len(sizes)} SR "
                f"images of datasets:{entry.key} are smaller, first {small[0]} ({width}x{height}); leave them out, or "
                "remove this metric"
            )
