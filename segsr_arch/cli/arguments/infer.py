"""Arguments of ``segsr infer``, and what ``segsr infer-dir`` has in common with it."""

import argparse
from pathlib import Path

from segsr_arch.cli.arguments.kinds import number, whole_number
from segsr_arch.cli.arguments.upscale import add_network, add_option, add_sampling

_EPILOG = """examples:
  segsr infer --input_img river.png --output sharper --upscale 4 -opt options/tiny_test_MSSD_UCM_x4.yml --seed 3
  segsr infer --input_img scene.tif --output sharper --upscale 4 -opt options/tiny_test_MSSD_UCM_x4.yml --samples 4
"""
IMAGES = (
    "Any size and aspect ratio, 8 and 16 bits, in tiles without seams; a GeoTIFF keeps its place, bands and no-data. "
    "PNG, JPEG and the like become PNG, all else GeoTIFF. Beside each image a file .json says what it was made of: "
    "network, seed, caption. What was killed goes on where it was, and what is done is passed over."
)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "infer",
        help="super-resolve an image, as the inference scripts of diffusion models do",
        description=f"Super-resolves an image. {IMAGES} For more choices see segsr upscale.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--input_img", required=True, metavar="FILE", help="the image, or whatever GDAL opens")
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="folder for NAME.png or NAME.tif, or the name of such a file"
    )
    add_common(parser, named="the name of the image, without ending")


def add_common(parser: argparse.ArgumentParser, *, named: str) -> None:
    """Add what both commands have.

    Args:
        parser: The command.
        named: How a caption file names an image, for the help.
    """
    parser.add_argument(
        "--upscale",
        type=whole_number(least=1),
        metavar="N",
        help="scale that is expected: another one than the network's is an error (default: the network's)",
    )
    add_network(parser.add_argument_group("network"))
    sampling = parser.add_argument_group("networks that sample")
    add_sampling(sampling)
    sampling.add_argument(
        "--captions", type=Path, metavar="FILE", help=f"captions as segsr caption writes them (.jsonl), by {named}"
    )
    sampling.add_argument(
        "--samples",
        type=whole_number(least=1),
        metavar="N",
        help="draw N images, of --seed (0 without it) and the N - 1 seeds after it: NAME_seed3.png, NAME_seed4.png and "
        "so on. Where they differ the network does not know; segsr evaluate --samples measures whether that tells",
    )
    pixels = parser.add_argument_group("pixels")
    add_option(pixels, "--tile", "tile", type=whole_number(least=1), metavar="N")
    add_option(pixels, "--overlap", "overlap", type=whole_number(least=0), metavar="N")
    add_option(pixels, "--bands", "bands", type=whole_number(least=1), nargs="+", metavar="N")
    add_option(pixels, "--range", "value_range", type=number, nargs=2, metavar=("LO", "HI"))
    add_option(pixels, "--consistent", "consistent", action="store_true")
    add_option(pixels, "--overwrite", "overwrite", action="store_true")
    parser.set_defaults(
        works_beside_network=True, after_interruption="What was done is kept; the same command goes on where it was."
    )
