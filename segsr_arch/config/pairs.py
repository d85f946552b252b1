"""Checks of LR and HR images against each other: names, counts, sizes, patch size."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segsr_arch.config.images import Listing, first_few, image_size, spread
from segsr_arch.config.problems import Problems, join_path
from segsr_arch.config.schema import is_whole


def check_pairs(
    problems: Problems,
    path: str,
    options: Mapping[str, Any],
    lr: Listing,
    hr: Listing,
    scale: Any,
    phase: str,
) -> None:
    """Check that every HR image has its LR image, ``scale`` times smaller.

    Sizes are taken from the list of an LMDB (all pairs) or from the headers of a few images of a folder.

    Args:
        problems: Where problems go.
        path: Key path of the data set.
        options: Its options.
        lr: LR images.
        hr: HR images.
        scale: ``scale:`` of the option file.
        phase: ``train``, ``val`` or ``test``.
    """
    pairs = _pair_names(problems, path, options, lr, hr)
    if not pairs or not is_whole(scale) or scale < 1:
        return
    sampled = list(pairs) if lr.known_sizes and hr.known_sizes else spread(list(pairs))
    heights_widths = {}
    wrong = []
    for name in sampled:
        hr_size = image_size(problems, join_path(path, "dataroot_gt"), hr, name)
        lr_size = image_size(problems, join_path(path, "dataroot_lq"), lr, pairs[name])
        if hr_size is None or lr_size is None:
            continue
        heights_widths[name] = hr_size
        # outside training BasicSR cuts the HR image to scale x LR, so less than one LR pixel may be over
        slack = 1 if phase == "train" else scale
        if not all(0 <= big - scale * small < slack for big, small in zip(hr_size, lr_size, strict=True)):
            wrong.append(f"{name} is {hr_size[1]}x{hr_size[0]}, its LR image {lr_size[1]}x{lr_size[0]}")
    if wrong:
        problems.add(
            join_path(path, "dataroot_gt"),
            f"HR images must be x{scale} (scale:) the size of the LR images; {len(wrong)} of {len(sampled)} looked at "
            f"are not, first: {wrong[0]}",
        )
    if phase == "train":
        _check_patch(problems, path, options.get("gt_size"), scale, heights_widths)


def check_patches(
    problems: Problems, path: str, options: Mapping[str, Any], key: str, images: Listing, scale: Any
) -> None:
    """Check the patches of a training on one set of images, whose LR images are made of them.

    Args:
        problems: Where problems go.
        path: Key path of the data set.
        options: Its options.
        key: Key of the folder or LMDB.
        images: Its images.
        scale: ``scale:`` of the option file.
    """
    if not is_whole(scale) or scale < 1:
        return
    sampled = images.names if images.known_sizes else spread(images.names)
    sizes = {name: image_size(problems, join_path(path, key), images, name) for name in sampled}
    read = {name: size for name, size in sizes.items() if size is not None}
    _check_patch(problems, path, options.get("gt_size"), scale, read)


def _pair_names(
    problems: Problems, path: str, options: Mapping[str, Any], lr: Listing, hr: Listing
) -> dict[str, str] | None:
    """Give the LR name for each HR name, or ``None`` if the two sets do not fit together."""
    template = options.get("filename_tmpl", "{}")
    if not isinstance(template, str) or "{}" not in template:
        problems.add(join_path(path, "filename_tmpl"), f"must contain {{}}, where the HR name goes; got {template!r}")
        return None
    if lr.known_sizes:  # the keys of an LMDB must be equal
        template = "{}"
    pairs = {name: template.format(Path(name).stem) + Path(name).suffix for name in hr.names}
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
        parts.append(f"no LR image for {first_few(without_lr)}")
    if without_hr:
        parts.append(f"no HR image for {first_few(without_hr)}")
    problems.add(path, "; ".join(parts))
    return None


def _check_patch(problems: Problems, path: str, gt_size: Any, scale: int, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Check that the training patch is a multiple of the scale and fits into every image looked at."""
    if not is_whole(gt_size) or gt_size < 1:
        return
    here = join_path(path, "gt_size")
    if gt_size % scale:
        problems.add(here, f"{gt_size} is not divisible by scale: {scale}; take {max(1, gt_size // scale) * scale}")
    if sizes:
        smallest = min(sizes, key=lambda name: min(sizes[name]))
        height, width = sizes[smallest]
        if gt_size > min(height, width):
            problems.add(here, f"{gt_size} is larger than the image {smallest} ({width}x{height})")
