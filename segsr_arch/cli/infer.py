"""``segsr infer``: one image becomes a larger one."""

import argparse
import functools
import os
from collections.abc import Callable, Sequence

from segsr_arch.cli.upscale import given_options, network_arguments, run_alone, run_many
from segsr_arch.errors import ConfigError
from segsr_arch.scenes.many.inferences import image_task, resolve_for_images, with_captions, with_samples
from segsr_arch.scenes.many.jobs import SceneTask
from segsr_arch.scenes.network.models import ResolvedModel
from segsr_arch.scenes.network.sampling_model import Drawing

_OF_SAMPLES = ("seed", "steps", "caption", "captions", "samples")


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; returns 0, or 1 if one of several samples failed."""
    tasks = image_task(args.input_img, args.output, options=given_options(args))
    tasks = completed(tasks, args, folder=os.path.dirname(args.input_img))
    if len(tasks) == 1:
        return run_alone(tasks[0], recipe_of(args))
    return run_many(tasks, recipe_of(args), workers=None, engine="processes")


def completed(tasks: Sequence[SceneTask], args: argparse.Namespace, *, folder: str) -> list[SceneTask]:
    """Give images the captions and samples that arguments say.

    Args:
        tasks: The images.
        args: The arguments.
        folder: From where captions name them.

    Raises:
        ConfigError: If captions are given twice.
        DataError: If they cannot be read, or an image has none.
    """
    completed = list(tasks)
    if args.captions is not None:
        if args.caption is not None:
            raise ConfigError("--caption and --captions both say what is to be seen; give one of them.")
        completed = with_captions(completed, args.captions, folder=folder or os.curdir)
    return completed if args.samples is None else with_samples(completed, args.samples, first=args.seed or 0)


def recipe_of(args: argparse.Namespace) -> Callable[[], ResolvedModel]:
    """Make what loads the network and sees that it is one that was meant; can be pickled."""
    described = args.caption is not None or args.captions is not None
    drawing = Drawing(
        seed=args.seed if args.samples is None else 0, steps=args.steps, caption="" if described else None
    )
    return functools.partial(
        resolve_for_images,
        scale=args.upscale,
        drawing=drawing,
        told=tuple(f"--{name}" for name in _OF_SAMPLES if getattr(args, name) is not None),
        **network_arguments(args),
    )
