"""``segsr upscale``: rasters of any size, one or many."""

import argparse
import dataclasses
import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

from segsr_arch.errors import ConfigError
from segsr_arch.scenes.dry_run import forecast
from segsr_arch.scenes.job import prepare_job
from segsr_arch.scenes.many.jobs import SceneTask, find_tasks, parse_shard, shard_of
from segsr_arch.scenes.many.one_task import run_task, task_options
from segsr_arch.scenes.many.running import run_tasks, summary_lines
from segsr_arch.scenes.network.models import ResolvedModel, resolve_model
from segsr_arch.scenes.options import Engine, UpscaleOptions
from segsr_arch.scenes.preview import check_preview

FAILED = 1


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; returns 0, or 1 if one of many scenes failed."""
    options = given_options(args)
    if args.preview is not None:
        check_preview(args.preview)
    tasks = find_tasks(args.src, args.dst, options=options)
    if args.shard is not None:
        tasks = shard_of(tasks, parse_shard(args.shard))
    if args.scale is not None and (args.opt or args.model):
        raise ConfigError(
            "--scale: chooses among the networks that need not be named; leave it out with -opt, --model."
        )
    recipe = functools.partial(resolve_model, default_scale=args.scale, **network_arguments(args))
    args.after_interruption = "What was done is kept; the same command goes on where it was."
    if args.dry_run:
        return _forecast(tasks, recipe())
    alone = len(tasks) == 1 and args.workers in (None, 1) and args.engine == "processes"
    if not alone and (args.preview is not None or args.maps is not None):
        raise ConfigError("--preview and --maps are of one scene; leave them out, or give one SRC.")
    if alone:
        return run_alone(tasks[0], recipe, maps=args.maps, preview=args.preview)
    return run_many(tasks, recipe, workers=args.workers, engine=args.engine)


def given_options(args: argparse.Namespace) -> dict[str, Any]:
    """Take what arguments say of how scenes are upscaled.

    Raises:
        ConfigError: If it is wrong, before anything is read.
    """
    given = {field.name: getattr(args, field.name, None) for field in dataclasses.fields(UpscaleOptions)}
    options = {name: value for name, value in given.items() if value is not None}
    # What is not given of tile and overlap is the network's to say, and checked when that is known.
    unknown = {"overlap": 0} if "tile" in options else {"tile": sys.maxsize}
    UpscaleOptions(**{**unknown, **options})
    return options


def network_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Take what arguments say of the network; can be pickled."""
    names = ("opt", "model", "device", "amp", "backend")
    return {name: getattr(args, name) for name in names} | {"force_yml": tuple(args.force_yml)}


def run_alone(task: SceneTask, recipe: Callable[[], ResolvedModel], **more: Any) -> int:
    """Upscale one scene, say what was done, and return 0.

    Args:
        task: The scene.
        recipe: Loads the network.
        more: As in :func:`run_task`.
    """
    print(run_task(task, recipe(), shown=True, **more).line())
    return 0


def run_many(
    tasks: Sequence[SceneTask], recipe: Callable[[], ResolvedModel], *, workers: int | None, engine: Engine
) -> int:
    """Upscale scenes, say what was done, and return 0, or 1 if one of them has failed.

    What the same command has made stays with ``--overwrite``, too: after an interruption it does the others.
    """
    run_one = functools.partial(run_task, keep_same=True)
    outcomes = run_tasks(tasks, recipe, workers=workers, engine=engine, run_one=run_one)
    print(*summary_lines(outcomes), sep="\n")
    return FAILED if any(outcome.error is not None for outcome in outcomes) else 0


def _forecast(tasks: Sequence[SceneTask], resolved: ResolvedModel) -> int:
    for task in tasks:
        job = prepare_job(task.src, resolved.model, UpscaleOptions(**task_options(task, resolved)))
        print(*forecast(job, task.dst).lines(), sep="\n")
    return 0
