"""Checks of LR and HR images against each other: names, counts, sizes, patch size."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segsr_arch.config.images import Listing, first_few, image_sizes
from segsr_arch.config.problems import Problems
from segsr_arch.known_names import nearest
from segsr_arch.option_keys import describe, is_whole
from segsr_arch.text import composed


def check_pairs(
    here: Problems,
    options: Mapping[str, Any],
    lr: Listing,
    hr: Listing,
    scale: Any,
    phase: str,
) -> dict[str, tuple[int, int]]:
    """Check that every HR image has its LR image, ``scale`` times smaller; every pair is looked at.

    Args:
        here: Where the data set stands.
        options: Its options.
        lr: LR images.
        hr: HR images.
        scale: ``scale:`` of the option file.
        phase: ``train``, ``val`` or ``test``.

    Returns:
        (height, width) of the LR images by name, as far as it can be had.
    """
    pairs = _pair_names(here, options, lr, hr)
    if not pairs or not is_whole(scale) or scale < 1:
        return {}
    hr_sizes = image_sizes(here.at("dataroot_gt"), hr)
    lr_sizes = image_sizes(here.at("dataroot_lq"), lr)
    # outside training BasicSR cuts the HR image to scale x LR, so less than one LR pixel may be over
    slack = 1 if phase == "train" else scale
    wrong = []
    for name, lr_name in pairs.items():
        if name not in hr_sizes or lr_name not in lr_sizes:
            continue
        (height, width), (lr_height, lr_width) = hr_sizes[name], lr_sizes[lr_name]
        if not (0 <= height - scale * lr_height < slack and 0 <= width - scale * lr_width < slack):
            wrong.append(f"{name} is {width}x{height}, its LR image {lr_width}x{lr_height}")
    if wrong:
        here.at("dataroot_gt").add(
            f"HR images must be x{scale} (scale:) the size of the LR images; {len(wrong)} of {len(pairs)} are not: "
            f"{first_few(wrong)}",
        )
    if phase == "train":
        check_patch(here, options.get("gt_size"), scale, hr_sizes)
    return lr_sizes


def _pair_names(here: Problems, options: Mapping[str, Any], lr: Listing, hr: Listing) -> dict[str, str] | None:
    """Give the LR name for each HR name, or ``None`` if the two sets do not fit together."""
    if hr.partners:
        return hr.partners
    template = options.get("filename_tmpl", "{}")
    if not takes_a_name(template):
        here.at("filename_tmpl").add(
            f"must contain {{}} once, where the HR name goes, and no other braces; got {describe(template)}",
        )
        return None
    by_name = {composed(name): name for name in lr.names}
    if lr.known_sizes:  # the keys of an LMDB must be equal
        template, by_name = "{}", {name: name for name in lr.names}
    wanted = {name: template.format(Path(name).stem) + Path(name).suffix for name in hr.names}
    pairs = {name: by_name.get(composed(lr_name), lr_name) for name, lr_name in wanted.items()}
    available = set(lr.names)
    without_lr = sorted(name for name, lr_name in pairs.items() if lr_name not in available)
    without_hr = sorted(available - set(pairs.values()))
    if not without_lr and not without_hr:
        return pairs
    counts = (
        f"{len(hr.names)} HR and {len(lr.names)} LR images" if len(hr.names) != len(lr.names) else "different names"
    )
    parts = [f"dataroot_gt and dataroot_lq do not fit together ({counts})"]
    if without_lr:
        parts.append(f"no LR image for {first_few(without_lr)}{nearest(wanted[without_lr[0]], without_hr)}")
    if without_hr:
        parts.append(f"no HR image for {first_few(without_hr)}")
    here.add("; ".join(parts))
    return None


def takes_a_name(template: Any) -> bool:
    """Whether ``filename_tmpl`` makes an LR name of an HR name: it has ``{}`` once, and no other braces."""
    try:
        return isinstance(template, str) and template.format("name") == template.replace("{}", "name", 1) != template
    except (ValueError, LookupError, AttributeError):
        return False


def check_patch(here: Problems, gt_size: Any, scale: Any, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Check that the training patch is a multiple of the scale and fits into every image.

    Args:
        here: Where the data set stands.
        gt_size: Side of a patch in HR pixels, as written.
        scale: ``scale:`` of the option file.
        sizes: (height, width) of the HR images by name.
    """
    if not is_whole(gt_size) or gt_size < 1 or not is_whole(scale) or scale < 1:
        return
    here = here.at("gt_size")
    if gt_size % scale:
        here.add(f"{gt_size} is not divisible by scale: {scale}; take {max(1, gt_size // scale) * scale}")
    if sizes:
        smallest = min(sizes, key=lambda name: min(sizes[name]))
        height, width = sizes[smallest]
        if gt_size > min(height, width):
            here.add(f"{gt_size} is larger than the image {smallest} ({width}x{height})")
