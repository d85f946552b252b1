"""What can be said of how a scene is upscaled, declared once: for the function, the command and the documentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from segsr_arch.errors import ConfigError
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.option_fields import OptionGroup, keys_of, option

Compression = Literal["deflate", "zstd", "lzw", "none"]
Rest = Literal["bicubic", "drop"]
COMPRESSIONS: tuple[Compression, ...] = get_args(Compression)
RESTS: tuple[Rest, ...] = get_args(Rest)
CONTEXTS = ("tile", "scene")
"""What a guide looks at: what is in a tile alone, or the scene around it."""
BACKENDS = ("torch", "onnxruntime", "openvino", "auto")
"""What runs a network on a CPU; the last is the fastest of the others on the machine at hand."""
Engine = Literal["processes", "ray"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
"""What does many scenes: processes of this machine, or tasks of Ray."""
OF_OPTION_FILES = ("tile", "overlap", "batch")
"""What an option file may say, too, in its ``tile:``."""
OF_SAMPLES = ("seed", "steps", "caption")
"""Options of networks that sample."""
_TILES = keys_of(TileOptions)


@dataclass(frozen=True, kw_only=True)
class UpscaleOptions(OptionGroup):
    """How a scene is upscaled.

    Raises:
        ConfigError: If a value is wrong, or two exclude each other.
    """

    section = "upscale"

    tile: int = option(_TILES["size"].default, help=_TILES["size"].help, unit="LR pixels", minimum=1)
    overlap: int = option(_TILES["overlap"].default, help=_TILES["overlap"].help, unit="LR pixels", minimum=0)
    batch: int = option(_TILES["batch"].default, help=_TILES["batch"].help, unit="tiles", minimum=1)
    bands: Sequence[int] | None = option(
        None,
        help="the bands that the network gets as red, green and blue, counted from 1, or one, which it gets as grey; "
        "without it those that the file calls so, or its only three, or its only one",
    )
    rest: Rest = option(
        "bicubic",
        help="what becomes of the other bands: enlarged by bicubic interpolation and marked so, or left out",
        choices=RESTS,
    )
    value_range: Sequence[float] | None = option(
        None,
        help="the stored values that are 0 and 1 for the network; without it the file's scale and offset, or the range "
        "of its type; floating-point values must lie in [0, 1]",
    )
    window: Sequence[int] | None = option(None, help="upscale this part only: its first column and row, width, height")
    bounds: Sequence[float] | None = option(None, help="upscale this part only: its west, south, east and north end")
    bounds_crs: str | None = option(
        None, help="coordinate reference system of the bounds, such as EPSG:4326; without it that of the file"
    )
    ensemble: bool = option(
        False,
        help="mean over the eight flips and rotations, eight times the work; their spread is written beside the output "
        "(NAME.spread.tif): where it is high, the network is unsure",
    )
    consistent: bool = option(
        False,
        help="change the output so that it gives the input again when it is reduced (bicubic, antialiased), to half a "
        "unit of its type: radiometry stays what it was",
    )
    context: str = option(
        "tile",
        help="what a semantic guide looks at: each tile by itself, or the scene around it",
        choices=CONTEXTS,
    )
    seed: int | None = option(
        None,
        help="of the noise of a network that samples: the same seed and image give the same output; without it that of "
        "its option file",
        minimum=0,
    )
    steps: int | None = option(
        None, help="steps of the sampler of a network that samples; without it those of its option file", minimum=1
    )
    caption: str | None = option(
        None, help="text that a network that reads words is given with the image: what is to be seen, or what was lost"
    )
    cog: bool = option(True, help="write a cloud-optimized GeoTIFF, with overviews, which is the default")
    compress: Compression = option("deflate", help="lossless compression of the output", choices=COMPRESSIONS)
    overwrite: bool = option(
        False,
        help="replace an output that is there, and begin anew what was begun with other options; of many scenes those "
        "that the same command has made stay",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.overlap >= self.tile:
            raise ConfigError(f"--overlap {self.overlap}: must be smaller than --tile, which is {self.tile}.")
        if self.window is not None and self.bounds is not None:
            raise ConfigError("--window and --bounds both say which part; give one of them.")
        if self.bounds_crs is not None and self.bounds is None:
            raise ConfigError("--bounds-crs belongs to --bounds W S E N; give that, too.")

    @property
    def results_depend_on(self) -> dict[str, object]:
        """The options on which pixels or files depend: all but what is done where something is there already."""
        named = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "overwrite"}
        # Nothing is said of samples where nothing is sampled: what was made before these options were goes on.
        return {name: value for name, value in named.items() if value is not None or name not in OF_SAMPLES}
