"""How large images become tiles: places alone, apart from any pixel."""

from dataclasses import dataclass

from segsr_arch.errors import ConfigError
from segsr_arch.windows import Window, WindowGrid


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Square tiles that cover an image, row by row.

    The first one begins at the upper left corner; the last one of a row or column is moved back to the image's edge, so
    that every pixel lies in a tile. Where an image is smaller than a tile, its tiles are as high or wide as it is.

    Attributes:
        size: Side of a tile in pixels of the source.
        margin: Pixels that neighbours share at least.

    Raises:
        ConfigError: If tiles would not go on: the margin is no smaller than a tile.
    """

    size: int
    margin: int

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.margin < self.size:
            raise ConfigError(
                f"--margin {self.margin}: what neighbouring tiles share is smaller than a tile, --tile {self.size}; "
                f"give a smaller margin"
            )

    @classmethod
    def of(cls, size: int, margin: int | None = None) -> "Tiling":
        """Make one whose margin is a tenth of a tile, unless it is given."""
        return cls(size=size, margin=size // 10 if margin is None else margin)

    def windows(self, height: int, width: int) -> list[Window]:
        """Give the places of the tiles of an image."""
        return list(WindowGrid(height=height, width=width, size=self.size, overlap=self.margin))


def tile_name(name: str, window: Window) -> str:
    """Name a tile by its image and by its first row and column: ``P0000_y00540_x01080``, which sorts by place."""
    return f"{name}_y{window.top:05d}_x{window.left:05d}"
