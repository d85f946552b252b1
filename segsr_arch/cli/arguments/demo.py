"""Arguments of ``segsr demo``."""

import argparse
from pathlib import Path

from segsr_arch.cli.arguments.kinds import whole_number


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "demo",
        help="draw scenes, prepare, train, test, evaluate and report, in about four minutes",
        description="Runs the main job on scenes that it draws itself: prepare, train a small SeG-SR (random weights "
        "in the vision-language model), test it, evaluate it beside bicubic interpolation, and draw figures and a "
        "report.",
    )
    parser.add_argument("--dir", type=Path, default=Path("demo"), help="working folder (default: demo)")
    parser.add_argument("--seed", type=whole_number(), default=0, help="seed of the scenes (default: 0)")
