"""``segsr infer-dir``: the images of a folder, each as ``segsr infer`` does."""

import argparse

from segsr_arch.cli.infer import completed, recipe_of
from segsr_arch.cli.upscale import given_options, run_many
from segsr_arch.scenes.many.inferences import folder_tasks


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; returns 0, or 1 if an image has failed."""
    tasks = folder_tasks(args.image_dir, args.save_dir, options=given_options(args))
    tasks = completed(tasks, args, folder=args.image_dir)
    return run_many(tasks, recipe_of(args), workers=args.workers, engine="processes")
