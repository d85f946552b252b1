"""Arguments of ``segsr app``."""

import argparse
from pathlib import Path

from segsr_arch.capabilities import PRECISIONS
from segsr_arch.cli.arguments.kinds import number, whole_number

_EPILOG = """examples:
  segsr app
  segsr app -opt options/test_SeGSR_UCM_x4.yml options/tiny_test_MSSD_UCM_x4.yml --model exported.onnx
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "app",
        help="a page in the browser: drop an image, compare, download",
        description="Serves a page on this machine, where an image or a GeoTIFF is dropped, enlarged as segsr upscale "
        "does, compared with a slider, and downloaded; a GeoTIFF keeps its place, bands and type. What was given and "
        "made is removed when a visitor leaves and when the command ends. Nothing is sent to other machines. Needs "
        "segsr-arch[app]. Ctrl-C ends it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    networks = parser.add_argument_group("networks; what comes with the package and bicubic are there without")
    networks.add_argument(
        "-opt", dest="opt", nargs="+", type=Path, default=[], metavar="FILE", help="option files of tests"
    )
    networks.add_argument(
        "--model",
        nargs="+",
        default=[],
        metavar="FILE_OR_NAME",
        help="what segsr export wrote, weights that spandrel knows, or bicubic:3, as for segsr upscale",
    )
    networks.add_argument("--device", help="cpu or cuda (default: as num_gpu in the options says)")
    networks.add_argument(
        "--amp", choices=tuple(name for name in PRECISIONS if name != "fp32"), help="compute in this precision"
    )
    page = parser.add_argument_group("page")
    page.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen at; 0.0.0.0 lets everybody in who reaches this machine (default: %(default)s, this "
        "machine alone)",
    )
    page.add_argument(
        "--port", type=whole_number(least=1, most=65535), default=7860, metavar="N", help="its port (default: 7860)"
    )
    page.add_argument(
        "--max-megapixels",
        type=number,
        default=10.0,
        metavar="N",
        help="largest image that is taken, in megapixels (default: 10)",
    )
    parser.set_defaults(
        works_beside_network=True, after_interruption="The page is closed, and the files of its visitors are removed."
    )
