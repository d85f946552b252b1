"""Arguments of ``segsr reproduce``."""

import argparse
from pathlib import Path

from segsr_arch.cli.arguments.kinds import whole_number
from segsr_arch.reproduction.paper_tables import TABLE_KEYS
from segsr_arch.reproduction.presets import PRESETS
from segsr_arch.reproduction.variants import RECOMMENDED_UNITS

MOST_JOBS = 4  # at a time on the CPU, where nothing is said

_EPILOG = """examples:
  segsr reproduce table7 --data datasets/UCMerced --seeds 0 1 2 --dry-run
  segsr reproduce table7 --data datasets/UCMerced --seeds 0 1 2
  segsr reproduce table4 --data datasets/UCMerced --preset full --gpus 0 1
  segsr reproduce table4 --data datasets/UCMerced --base EDSR --rows 1 4 --iters 500
  segsr reproduce --list

exit code: 0 if the table is whole; 1 if a row could not be run or a run failed; 2 after an error such as wrong
arguments; 130 after Ctrl-C or SIGTERM.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "reproduce",
        help="train and measure the rows of a table of the paper, over seeds, and write the table",
        description="Train each network of a table with equal data, iterations and seeds through the stock loop, "
        "select on val, measure once on test, and write the table beside the paper's figures (Markdown, CSV, JSON, and "
        "a figure as PNG and PDF). Runs that are done are kept: the same command goes on after an interruption, and "
        "tables share runs of the same network.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", nargs="?", choices=TABLE_KEYS, metavar="TABLE", help=", ".join(TABLE_KEYS))
    what = parser.add_argument_group("what is run")
    what.add_argument("--data", type=Path, metavar="DIR", help="folder that segsr prepare has made")
    what.add_argument("--scale", type=whole_number(), default=4, metavar="S", help="default: %(default)s")
    what.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        default="small",
        help="full: the paper's networks, patches and iterations, for GPUs; small: the same tables in small networks, "
        "for two cores (default: %(default)s)",
    )
    what.add_argument(
        "--iters", type=whole_number(), metavar="N", help="iterations of each training (default: the preset's)"
    )
    what.add_argument("--seeds", type=whole_number(), nargs="+", default=[0], metavar="N", help="default: 0")
    what.add_argument(
        "--rows", type=whole_number(), nargs="+", metavar="N", help="numbers of rows, see --list (default: all)"
    )
    what.add_argument(
        "--base",
        choices=tuple(RECOMMENDED_UNITS),
        help="which network table4, table5, table6 and extra guide (default: the paper's, HAT)",
    )
    what.add_argument("--vlm", metavar="NAME|FILE", help="vision-language model: an open_clip name or a configuration")
    what.add_argument("--vlm-pretrained", metavar="TAG|FILE", help="its weights (default: the preset's)")
    what.add_argument(
        "--test-on",
        choices=("test", "val"),
        default="test",
        help="test: the network that was best on val; val, where there are no test images: nothing is selected, and "
        "the network after the last iteration is measured (default: %(default)s)",
    )
    what.add_argument("--amp", choices=("bf16",), help="train in bfloat16 (autocast) instead of float32")
    how = parser.add_argument_group("how")
    how.add_argument(
        "--out", type=Path, default=Path("reproduction"), metavar="DIR", help="tables and runs (default: %(default)s)"
    )
    how.add_argument(
        "--jobs",
        type=whole_number(),
        metavar="N",
        help=f"runs at a time on the CPU, which share the cores (default: one a core, at most {MOST_JOBS}; one with "
        "--preset full); with --gpus, on each of the GPUs (default: 1)",
    )
    how.add_argument(
        "--gpus",
        type=whole_number(),
        nargs="+",
        metavar="N",
        help="run on these GPUs (default: 0, if any)",
    )
    how.add_argument(
        "--dry-run", action="store_true", help="print the runs and time a few steps of each network; writes nothing"
    )
    how.add_argument("--list", action="store_true", help="list tables, rows and presets, and end")
