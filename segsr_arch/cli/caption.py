"""``segsr caption``: what would have to change in LR images to become HR images, in words."""

import argparse
import sys
from functools import partial
from pathlib import Path

from segsr_arch.captions.budget import TokenBudget
from segsr_arch.captions.captioner import load_captioner
from segsr_arch.captions.captioning import CaptionOutcome, ImagePair, caption_images
from segsr_arch.cli.arguments.kinds import conversion_of
from segsr_arch.evaluation.image_folders import ImageFolder, match_folders
from segsr_arch.files.text_files import make_folder
from segsr_arch.scenes.network.devices import find_device

MISSING = 1
_NAMED = 3


def _pairs(args: argparse.Namespace) -> tuple[list[ImagePair], tuple[str, ...]]:
    """Put the folders together; returns the pairs, and what has no partner or cannot be listed."""
    conversion = conversion_of(args)
    lq = ImageFolder.open(args.data / args.lq, "--lq", conversion)
    if args.gt is None:
        matching = match_folders(lq, lq=lq)
    else:
        gt = ImageFolder.open(args.data / args.gt, "--gt", conversion)
        matching = match_folders(gt, gt=gt, lq=lq)
    for note in matching.notes:
        print(note)
    pairs = [ImagePair(name=row.name, lq=row.lq, gt=row.gt) for row in matching.matches if row.lq is not None]
    return pairs, tuple(dict.fromkeys(matching.problems))


def _report(outcome: CaptionOutcome, path: Path) -> None:
    counts = [f"{outcome.made} made now", f"{outcome.kept} kept"]
    counts += [f"{outcome.by_hand} by hand"] if outcome.by_hand else []
    counts += [f"{outcome.others} of other images"] if outcome.others else []
    if outcome.cut:
        some = ", ".join(outcome.cut[:_NAMED]) + (", ..." if len(outcome.cut) > _NAMED else "")
        print(f"{len(outcome.cut)} captions had no room for all that was said ({some}): left_out in the file says what")
    print(f"captions: {', '.join(counts)}; {path}")


def run(args: argparse.Namespace) -> int:
    """Describe the images and write the caption file.

    Returns:
        0, or 1 if an image has no partner or could not be described.

    Raises:
        SegsrError: See :func:`~segsr_arch.captions.captioner.load_captioner` and
            :func:`~segsr_arch.captions.captioning.caption_images`.
    """
    device = find_device(args.device)
    budget = TokenBudget(style=args.style)
    pairs, problems = _pairs(args)
    path = args.out or args.data / "captions.jsonl"
    make_folder(path.parent)
    load = partial(
        load_captioner,
        args.model,
        pretrained=args.pretrained,
        prompt=args.prompt,
        most_tokens=args.tokens,
        cache_dir=args.cache_dir,
        device=str(device),
    )
    outcome = caption_images(pairs, load, path, difference=args.difference, budget=budget, overwrite=args.overwrite)
    _report(outcome, path)
    problems += tuple(outcome.problems)
    for problem in problems:
        print(f"  {problem}", file=sys.stderr)
    return MISSING if problems else 0
