"""Options of tiles, apart from torch: command lines offer them before it is imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, option


@dataclass(frozen=True, kw_only=True)
class TileOptions(OptionGroup):
    """Size of tiles and of their overlap, in LR pixels, and how many at once (top-level key ``tile:`` of option files).

    Raises:
        ConfigError: If the overlap is not smaller than the tile, or a value is no whole number.
    """

    section = "tile"

    size: int = option(
        64, help="side of a tile; best the size that the network was trained on", unit="LR pixels", minimum=1
    )
    overlap: int = option(
        16, help="width of the band that neighbouring tiles share and blend in", unit="LR pixels", minimum=0
    )
    batch: int = option(1, help="tiles at once: more are faster, and need as much more memory", unit="tiles", minimum=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.overlap >= self.size:
            raise ConfigError(
                f"tile: overlap: must be from 0 to size - 1; got size {self.size} and overlap {self.overlap}."
            )

    @classmethod
    def from_options(cls, options: Mapping[str, Any] | None) -> "TileOptions | None":
        """Read the mapping of a YAML; ``None`` stays ``None`` (no tiles).

        Raises:
            ConfigError: If a key is not known or a value is out of range.
        """
        return None if options is None else cls.read(options)
