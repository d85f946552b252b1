"""Arguments of ``segsr upscale``."""

import argparse
from pathlib import Path
from typing import Any

from segsr_arch.capabilities import PRECISIONS
from segsr_arch.cli.arguments.kinds import number, whole_number
from segsr_arch.named_models import DEFAULT_SCALE
from segsr_arch.option_fields import keys_of
from segsr_arch.scenes.options import BACKENDS, COMPRESSIONS, CONTEXTS, ENGINES, OF_OPTION_FILES, RESTS, UpscaleOptions

_KEYS = keys_of(UpscaleOptions)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "upscale",
        help="super-resolve rasters of any size: georeference, bands, values and nodata stay",
        description="Super-resolves a raster window by window, in memory that does not depend on its size. Coordinate "
        "reference system, bounds, band names, tags, colours, nodata, masks and the type of the values are kept. What "
        "was killed goes on where it was; an output appears when it is whole. Many rasters: a folder, a pattern or a "
        "list.",
    )
    parser.add_argument(
        "src",
        metavar="SRC",
        help="a raster that GDAL reads (GeoTIFF, JP2, VRT, NETCDF:..., /vsizip/..., /vsicurl/..., s3://...), an image "
        "without georeference, a folder, a quoted pattern such as 'scenes/*.tif', or a list (CSV with columns src,dst)",
    )
    parser.add_argument(
        "dst", nargs="?", type=Path, metavar="DST", help="output (.tif, .png, .jpg), or a folder; not with a list"
    )
    parser.set_defaults(works_beside_network=True)
    network = parser.add_argument_group(
        "network", "without -opt and --model the one for aerial images that segsr models lists"
    )
    add_network(network)
    network.add_argument(
        "--scale",
        type=whole_number(least=2),
        metavar="N",
        help=f"without -opt and --model, scale of the network that is taken (default: {DEFAULT_SCALE})",
    )
    add_sampling(parser.add_argument_group("networks that sample"))
    _add_pixels(parser.add_argument_group("pixels"))
    _add_output(parser.add_argument_group("output"))
    _add_many(parser.add_argument_group("many rasters"))


def add_option(group: argparse._ArgumentGroup, flag: str, name: str, **more: Any) -> None:
    """Add the argument of a field of :class:`UpscaleOptions`, whose help and default are written there."""
    key = _KEYS[name]
    whence = "tile: of the option file, what suits a network that samples, or " if name in OF_OPTION_FILES else ""
    default = "" if key.default is None or isinstance(key.default, bool) else f" (default: {whence}{key.default})"
    group.add_argument(flag, dest=name, default=None, help=key.help.replace("%", "%%") + default, **more)


def add_network(group: argparse._ArgumentGroup) -> None:
    """Add what says which network, and how it is run."""
    group.add_argument("-opt", dest="opt", type=Path, metavar="FILE", help="option file of a test")
    group.add_argument(
        "--model",
        metavar="FILE_OR_NAME",
        help="instead of an option file: a name that segsr models lists, what segsr export wrote (.yml, .onnx, .pt2), "
        "weights of a network that spandrel knows, or bicubic:4",
    )
    group.add_argument("--device", help="cpu or cuda (default: as num_gpu in the options says)")
    group.add_argument(
        "--amp", choices=tuple(name for name in PRECISIONS if name != "fp32"), help="compute in this precision"
    )
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        default="torch",
        help="what runs the network on a CPU; auto: what is fastest on the first tiles and gives the same "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--force_yml", nargs="+", default=[], metavar="KEY=VALUE", help="changes of the options, as for basicsr"
    )
    add_option(group, "--ensemble", "ensemble", action="store_true")
    add_option(group, "--context", "context", choices=CONTEXTS)


def add_sampling(group: argparse._ArgumentGroup) -> None:
    """Add what a network that samples is told."""
    add_option(group, "--seed", "seed", type=whole_number(least=0), metavar="N")
    add_option(group, "--steps", "steps", type=whole_number(least=1), metavar="N")
    add_option(group, "--caption", "caption", metavar="TEXT")


def _add_pixels(group: argparse._ArgumentGroup) -> None:
    add_option(group, "--tile", "tile", type=whole_number(least=1), metavar="N")
    add_option(group, "--overlap", "overlap", type=whole_number(least=0), metavar="N")
    add_option(group, "--batch", "batch", type=whole_number(least=1), metavar="N")
    add_option(group, "--bands", "bands", type=whole_number(least=1), nargs="+", metavar="N")
    add_option(group, "--rest", "rest", choices=RESTS)
    add_option(group, "--range", "value_range", type=number, nargs=2, metavar=("LO", "HI"))
    add_option(group, "--window", "window", type=whole_number(), nargs=4, metavar=("COL", "ROW", "W", "H"))
    add_option(group, "--bounds", "bounds", type=number, nargs=4, metavar=("W", "S", "E", "N"))
    add_option(group, "--bounds-crs", "bounds_crs", metavar="CRS")
    add_option(group, "--consistent", "consistent", action="store_true")


def _add_output(group: argparse._ArgumentGroup) -> None:
    add_option(group, "--cog", "cog", action=argparse.BooleanOptionalAction)
    add_option(group, "--compress", "compress", choices=COMPRESSIONS)
    add_option(group, "--overwrite", "overwrite", action="store_true")
    group.add_argument("--maps", type=Path, metavar="FILE", help="write the guidance maps, too, one band a unit")
    group.add_argument(
        "--preview", type=Path, metavar="PNG", help="draw input, bicubic and output of the liveliest part"
    )
    group.add_argument(
        "--dry-run", action="store_true", help="say what would be done: windows, memory, size of the file, time"
    )


def _add_many(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--workers",
        type=whole_number(least=1),
        metavar="N",
        help="rasters at once, a process each, among which the cores are divided (default: one after another; with Ray "
        "as many as it has cores, or GPUs)",
    )
    group.add_argument(
        "--engine",
        choices=ENGINES,
        default="processes",
        help="what the workers are: processes of this machine, or tasks of Ray (needs segsr-arch[ray])",
    )
    group.add_argument("--shard", metavar="i/n", help="only the i-th of n parts of the list, for batch systems")
