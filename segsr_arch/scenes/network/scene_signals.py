"""What guides the tiles of a scene of any size: signals of overlapping views, computed as tiles ask for them."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from segsr_arch.errors import ConfigError
from segsr_arch.inference.blending import BlendingWeights
from segsr_arch.scenes.network.neighbourhoods import Neighbourhoods
from segsr_arch.scenes.network.symmetries import place_after, turned
from segsr_arch.semantics import SemanticGuide, Signals
from segsr_arch.windows import Window, WindowGrid

_PIXELS_TOGETHER = 8 * 64**2  # of views; always the same ones, since what else is in a batch may change the last bit
_MOST_KEPT = 128  # batches of views: several rows of them over a strip of the scene are fewer
_MOST_BYTES = 2**28
_MARGIN = 3  # cells beyond a tile that interpolation and learned upsampling may read


@dataclass(frozen=True, kw_only=True)
class Views:
    """From what parts of a scene its tiles are guided, in LR pixels.

    Attributes:
        size: Side of the views whose patches make the maps; best the size that the network was trained on.
        overlap: Width of the band that neighbouring views share and blend in.
        neighbourhood: Side of the parts whose global features are interpolated over the scene, each reduced to the
            size of a view before it is seen.

    Raises:
        ConfigError: If a number is out of range.
    """

    size: int = 64
    overlap: int = 16
    neighbourhood: int = 256

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.size <= self.neighbourhood:
            raise ConfigError(f"views: need 0 <= overlap < size <= neighbourhood, got {self}.")

    @classmethod
    def like_tiles(cls, tile: int) -> "Views":
        """Views of the size of tiles, in LR pixels, of which there are as many then as of tiles at default overlaps."""
        return cls(size=tile, overlap=tile // 4, neighbourhood=4 * tile)


def shown_maps(guide: SemanticGuide, maps: Tensor) -> Tensor:
    """Cut what is beyond [-1, 1] by rounding off cosines; maps that the guide standardises are not cosines any more."""
    return maps if guide.config.standardised_maps else maps.clamp(-1, 1)


class SceneSignals:
    """Signals for tiles of a scene, as :class:`~segsr_arch.semantics.signals.Signals` are those of an image.

    The guide's equations are cut where the image as a whole enters them. The global feature I_g (SeG-SR eq. 5) is that
    of the neighbourhood; the patch tokens (eq. 4), which see one another, are those of views of the size of training;
    and the maps that come of both (eq. 8) are blended where views overlap. So what guides a place depends on the scene
    alone, neither on the tile that it is in nor on the order of tiles. A scene that is no larger than one view is
    guided as in one piece.

    Memory does not grow with the scene: views are read and computed when a tile needs them, and the latest are kept.

    Args:
        guide: The guide, in evaluation mode.
        read: Gives the LR pixels (3, h, w) of a window of the scene, RGB in [0, 1].
        height: Rows of the scene, in LR pixels.
        width: Columns of the scene, in LR pixels.
        views: Sizes of what is seen.

    Raises:
        ConfigError: If the guide is for study alone (``semantics: maps``).
    """

    def __init__(
        self, guide: SemanticGuide, read: Callable[[Window], Tensor], *, height: int, width: int, views: Views
    ) -> None:
        guide.refuse_study("scenes")
        self._guide, self._read = guide, read
        self._scene = Window(height=height, width=width)
        extraction = guide.feature_extraction
        self._device = extraction.mean.device
        # Views lie on a grid of units: the least squares of whole LR pixels that are whole patches, too.
        common = math.gcd(extraction.scale, extraction.patch_size)
        self._pixels, self._cells = extraction.patch_size // common, extraction.scale // common
        size = -(-views.size // self._pixels)
        rows, columns = (-(-side // self._pixels) for side in (height, width))
        overlap = min(-(-views.overlap // self._pixels), size - 1)
        self._grid = WindowGrid(height=rows, width=columns, size=size, overlap=overlap)
        self._weights = BlendingWeights(self._grid, scale=self._cells)
        self._lefts = self._grid.lefts
        self._view_size = (min(size, rows), min(size, columns))  # in units
        self._together = max(1, _PIXELS_TOGETHER // (size * self._pixels) ** 2)
        self._neighbourhoods = Neighbourhoods(
            lambda image: extraction(image.to(self._device))[0],
            read,
            height=height,
            width=width,
            side=views.neighbourhood,
            seen=views.size,
        )
        self._channels: int = extraction.embed_dim if guide.localization is None else guide.localization.num_units
        kept = _MOST_BYTES // (4 * self._together * self._channels * (size * self._cells) ** 2)
        self._batch = functools.lru_cache(min(max(kept, 1), _MOST_KEPT))(self._compute_batch)

    def at(self, windows: Sequence[Window], *, symmetry: int = 0) -> Signals:
        """Give the signals for tiles.

        Args:
            windows: Places of the tiles in the scene, all of one size.
            symmetry: How the tiles are :func:`~segsr_arch.scenes.network.symmetries.turned`; so are their signals.
        """
        cells, frame, places = self._around(windows)
        values = self._guide.refine(turned(cells, symmetry).contiguous())
        image = place_after(frame, frame, symmetry)
        return Signals(values=values, image=image).at(*(place_after(place, frame, symmetry) for place in places))

    def maps(self, windows: Sequence[Window]) -> Tensor:
        """Give the maps at tiles at LR resolution, before any learned scale or upsampling.

        Args:
            windows: Places of the tiles in the scene, all of one size.

        Returns:
            (N, k, h, w) float32, see :func:`shown_maps`.
        """
        cells, _, places = self._around(windows)
        resized = [
            self._guide.resize(one[None], (place.height, place.width), start=(place.top, place.left))
            for one, place in zip(cells, places, strict=True)
        ]
        return shown_maps(self._guide, torch.cat(resized))

    def _around(self, windows: Sequence[Window]) -> tuple[Tensor, Window, list[Window]]:
        """Find the cells around windows, with a margin as far as the scene goes.

        Returns:
            Cells (N, n, rows, columns) of a frame around each; the frames' size in LR pixels, as a window at the
            origin; the windows, counted from the beginning of their frames.
        """
        margin = -(-_MARGIN // self._cells)
        height, width = (
            min(units, -(-(side + self._pixels - 1) // self._pixels) + 2 * margin)
            for side, units in ((windows[0].height, self._grid.height), (windows[0].width, self._grid.width))
        )
        cells, places = [], []
        for window in windows:
            top = min(max(window.top // self._pixels - margin, 0), self._grid.height - height)
            left = min(max(window.left // self._pixels - margin, 0), self._grid.width - width)
            frame = Window(top=top, left=left, height=height, width=width)
            cells.append(self._blended(frame))
            places.append(window.relative_to(frame.scaled(self._pixels)))
        return torch.stack(cells), Window(height=height, width=width).scaled(self._pixels), places

    def _blended(self, frame: Window) -> Tensor:
        """Cells (n, rows, columns) of a frame in units; the same cell of another frame is the same to the last bit."""
        within = frame.scaled(self._cells)
        blended = torch.zeros(self._channels, within.height, within.width, device=self._device)
        dtype = blended.dtype
        for view, cells in self._views_at(frame):
            place = view.scaled(self._cells)
            shared = place.intersection(within)
            if shared is not None:
                rows, columns = shared.relative_to(within).slices
                down, across = shared.relative_to(place).slices
                weights = self._weights.at(view)[down, across].to(self._device)
                blended[:, rows, columns] += cells[:, down, across].float() * weights
                dtype = cells.dtype
        return blended.to(dtype)

    def _views_at(self, frame: Window) -> Iterator[tuple[Window, Tensor]]:
        """The views, in units, that meet or touch a frame, always in the same order, and their cells."""
        height, width = self._view_size
        tops = [top for top in self._grid.tops if frame.top - height <= top <= frame.bottom]
        numbers = [number for number, left in enumerate(self._lefts) if frame.left - width <= left <= frame.right]
        for top, number in itertools.product(tops, numbers):
            batch, place = divmod(number, self._together)
            yield Window(top=top, left=self._lefts[number], height=height, width=width), self._batch(top, batch)[place]

    def _compute_batch(self, top: int, batch: int) -> list[Tensor]:
        """Cells (n, rows, columns) of some neighbouring views that begin in a row of units, whole units all of them."""
        height, width = self._view_size
        lefts = self._lefts[batch * self._together : (batch + 1) * self._together]
        views = [Window(top=top, left=left, height=height, width=width).scaled(self._pixels) for left in lefts]
        seen = [shared for view in views if (shared := view.intersection(self._scene)) is not None]  # all of them
        found: list[Tensor] = []
        for _, group in itertools.groupby(seen, key=lambda window: window.width):
            places = list(group)
            images = torch.stack([self._read(place) for place in places]).to(self._device)
            _, local_features = self._guide.feature_extraction(images)
            global_features = torch.cat([self._neighbourhoods.at(place) for place in places])
            cells = self._guide.cells(global_features, local_features)
            missing = (width * self._cells - cells.shape[-1], height * self._cells - cells.shape[-2])
            found += F.pad(cells, (0, missing[0], 0, missing[1]), mode="replicate")
        return found
