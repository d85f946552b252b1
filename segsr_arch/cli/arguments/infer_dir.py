"""Arguments of ``segsr infer-dir``."""

import argparse

from segsr_arch.cli.arguments.infer import IMAGES, add_common
from segsr_arch.cli.arguments.kinds import whole_number


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "infer-dir",
        help="super-resolve the images of a folder; each as segsr infer does",
        description=f"Super-resolves the images of a folder and those below it, each as segsr infer does. {IMAGES} An "
        "image that fails does not keep the others from being done; it is listed at the end, and the exit code is 1.",
    )
    parser.add_argument("--image_dir", required=True, metavar="DIR", help="folder of images")
    parser.add_argument(
        "--save_dir", required=True, metavar="DIR", help="folder for the results, outside of it; names stay"
    )
    add_common(parser, named="the path below the folder, without ending")
    parser.add_argument(
        "--workers",
        type=whole_number(least=1),
        metavar="N",
        help="images at once, a process each, among which the cores are divided (default: one after another)",
    )
