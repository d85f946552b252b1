"""Arguments of ``segsr finetune``."""

import argparse
from pathlib import Path

from segsr_arch.cli.arguments.kinds import add_degradation, number, whole_number
from segsr_arch.named_models import DEFAULT_SCALE

FOLDER = Path("finetuned")
_MINUTES, _TILE, _PATCH, _TRAIN, _VAL = 60, 256, 32, 2000, 64

_EPILOG = """examples:
  segsr finetune images/of/my/region --name my-region-x4
  segsr finetune scenes --bands 3 2 1 --range 0 3000 --model my-region-x4 --name my-fields-x4 --minutes 30

The same command goes on after an interruption. Afterwards:

  segsr models my-region-x4
  segsr upscale scene.tif sharp.tif --model my-region-x4
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "finetune",
        help="train a network that has a name further on images of your own region",
        description="Cuts rasters into tiles and takes small images as they are, divides them by place into training "
        "and validation, makes LR images, writes an option file, trains by BasicSR's loop, compares before, after and "
        "bicubic in a report, and gives the result a name by which every command knows it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("src", type=Path, metavar="SRC", help="folder of images or rasters, or one raster")
    network = parser.add_argument_group("what it starts with")
    network.add_argument("--model", metavar="NAME", help="a network that segsr models lists")
    network.add_argument("-opt", dest="opt", type=Path, metavar="FILE", help="option file of a test with weights")
    network.add_argument(
        "--scale",
        type=whole_number(least=2),
        metavar="N",
        help=f"without either, scale of the network for aerial images that is taken (default: {DEFAULT_SCALE})",
    )
    _add_images(parser.add_argument_group("images"))
    _add_training(parser.add_argument_group("training"))
    result = parser.add_argument_group("result")
    result.add_argument("--name", metavar="NAME", help="name of the result (default: network and folder, joined)")
    result.add_argument(
        "--card",
        type=Path,
        metavar="FILE.yml",
        help="title, use, limits, licence and more of its card; what is known of the run is filled in",
    )
    result.add_argument("--out", type=Path, metavar="DIR", help=f"folder of the run (default: {FOLDER}/NAME)")
    parser.set_defaults(after_interruption="What was done is kept; run the same command to go on.")


def _add_images(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--tile",
        type=whole_number(least=1),
        default=_TILE,
        metavar="N",
        help="side of a tile in pixels; images of at most two tiles a side are taken as they are (default: "
        "%(default)s)",
    )
    group.add_argument(
        "--bands",
        type=whole_number(least=1),
        nargs="+",
        metavar="N",
        help="bands that are red, green and blue, or one that is grey, from 1 (default: as the files say)",
    )
    group.add_argument(
        "--range",
        type=number,
        nargs=2,
        metavar=("LO", "HI"),
        help="values that become 0 and 255 in files of other than 8 bits",
    )
    group.add_argument("--skip-unfit", action="store_true", help="leave out files that do not fit, and name them")
    group.add_argument(
        "--val", type=number, default=0.1, metavar="SHARE", help="of the tiles for validation (default: %(default)s)"
    )
    group.add_argument(
        "--tiles",
        type=whole_number(least=1),
        default=_TRAIN,
        metavar="N",
        help="tiles for training at most (default: %(default)s)",
    )
    group.add_argument(
        "--val-tiles",
        type=whole_number(least=1),
        default=_VAL,
        metavar="N",
        help="tiles for validation, about (default: %(default)s)",
    )
    add_degradation(group, default="what the card of the network says, else bicubic")


def _add_training(group: argparse._ArgumentGroup) -> None:
    length = group.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=number, default=_MINUTES, metavar="N", help="how long to train, about (default: %(default)s)"
    )
    length.add_argument("--iterations", type=whole_number(least=1), metavar="N", help="how long, exactly")
    group.add_argument(
        "--patch",
        type=whole_number(least=1),
        default=_PATCH,
        metavar="N",
        help="side of a patch in LR pixels (default: %(default)s)",
    )
    group.add_argument(
        "--batch", type=whole_number(least=1), default=8, metavar="N", help="patches of a step (default: %(default)s)"
    )
    group.add_argument(
        "--lr", type=number, default=1e-4, metavar="RATE", help="learning rate at the start (default: %(default)s)"
    )
    group.add_argument("--seed", type=whole_number(least=0), default=0, metavar="N", help="default: %(default)s")
