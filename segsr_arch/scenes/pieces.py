"""The last part of a step: from what the network gave to blocks that are written, and what is measured of them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from segsr_arch.archs.bicubic_arch import Bicubic
from segsr_arch.scenes import consistency, seams
from segsr_arch.scenes.layout import SceneLayout, Step
from segsr_arch.scenes.output.block import Block
from segsr_arch.scenes.source.reader import SceneReader
from segsr_arch.scenes.source.scene import Pixels, Scene
from segsr_arch.scenes.source.validity import fill_invalid, restore
from segsr_arch.windows import Window

_BICUBIC_REACH = 2  # LR pixels that an enlarged pixel depends on, on each side


def needed_halo(scale: int, dtype: str, *, consistent: bool) -> int:
    """LR pixels that must be known around what is written.

    Args:
        scale: Scale of the network.
        dtype: Type of the scene.
        consistent: Whether the output is projected onto the input.
    """
    reaches = [_BICUBIC_REACH]
    if scale > 1:
        reaches.append(consistency.measuring_halo(scale))
        if consistent:
            reaches.append(consistency.projection_halo(scale, np.dtype(dtype)))
    return max(reaches)


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """A finished step.

    Attributes:
        blocks: Its blocks, for each raster: the scene, and the spread if there is one.
        note: Waits for what is measured of it, and returns it: sums that add over steps, for JSON.
    """

    blocks: list[list[Block]]
    note: Callable[[], dict[str, Any]]


def blocks_of(values: np.ndarray, step: Step, layout: SceneLayout) -> Iterator[Block]:
    """Cut what is known of a step into the blocks that are written of it.

    Args:
        values: (C, s h, s w) of the step's ``outer`` window.
        step: The step.
        layout: How the scene is cut.
    """
    scale, side = layout.scale, layout.block
    written = values[(slice(None),) + step.inner.relative_to(step.outer).scaled(scale).slices]
    place = step.inner.scaled(scale)
    for left in range(0, place.width, side):
        part = np.ascontiguousarray(written[:, :, left : left + side])
        yield Block(row=place.top // side, column=(place.left + left) // side, values=part)


class StepFinisher:
    """Finishes steps; for one thread, within a ``with`` block. What they give is measured in another, meanwhile.

    Args:
        scene: The scene.
        layout: How it is cut; its halo is at least :func:`needed_halo`.
        consistent: Whether the output is projected onto the input.
        spread: Whether the network's fourth channel is the spread of an ensemble.
    """

    def __init__(self, scene: Scene, layout: SceneLayout, *, consistent: bool, spread: bool) -> None:
        self._scene, self._layout = scene, layout
        self._consistent = consistent
        self._spread = spread
        self._reader = SceneReader(scene)
        self._measuring = ThreadPoolExecutor(1, "measure")
        self._network = list(scene.network_bands)
        self._network_alone = self._network == list(range(len(scene.bands)))
        self._rest = [position for position, band in enumerate(scene.bands) if band.role == "rest"]

    def __enter__(self) -> "StepFinisher":
        return self

    def __exit__(self, *_: object) -> None:
        self._measuring.shutdown(cancel_futures=True)
        self._reader.close()

    def finish(self, step: Step, given: np.ndarray) -> Piece:
        """Finish a step.

        Args:
            step: The step.
            given: What the network gave for its ``outer`` window, (3, s h, s w) in the unit range, or (4, ...).

        Raises:
            DataError: If the scene cannot be read.
        """
        scale = self._layout.scale
        pixels = self._reader.read(step.outer)
        unit = given[:3] if len(self._network) == 3 else given[:3].mean(axis=0, keepdims=True, dtype=np.float64)
        values = self._stored(unit, pixels)
        if not self._network_alone:
            network, values = values, np.empty((len(self._scene.bands), *unit.shape[1:]), self._scene.dtype)
            values[self._network] = network
            if self._rest:
                values[self._rest] = self._enlarged(pixels)
        elif np.may_share_memory(values, given):  # the sums, which the next step goes on with
            values = values.copy()
        restore(values, pixels, self._scene.bands, scale=scale)
        of_network = values if self._network_alone else values[self._network]
        note = self._measuring.submit(self._measured, of_network, pixels, step)
        rasters = [values]
        if self._spread:
            rasters.append(self._spread_of(given[3], pixels))
        return Piece(
            blocks=[list(blocks_of(raster, step, self._layout)) for raster in rasters],
            note=note.result,
        )

    def _stored(self, unit: np.ndarray, pixels: Pixels) -> np.ndarray:
        radiometry = self._scene.radiometry
        if not self._consistent or self._layout.scale == 1:
            return np.asarray(radiometry.from_unit(unit, self._network))
        return consistency.project(
            radiometry.to_stored(unit, self._network),
            pixels.values[self._network],
            scale=self._layout.scale,
            valid=None if pixels.all_valid else pixels.valid[self._network],
        )

    def _enlarged(self, pixels: Pixels) -> np.ndarray:
        """Bands that the network does not get, enlarged by bicubic interpolation of what is stored."""
        dtype = np.dtype(self._scene.dtype)
        exact = np.result_type(dtype, np.float32)  # float64 for 32-bit integers, which float32 cannot tell apart
        filled = fill_invalid(pixels.values[self._rest].astype(exact), pixels.valid[self._rest])
        enlarged = Bicubic(upscale=self._layout.scale)(torch.from_numpy(filled)[None])[0].numpy()
        if dtype.kind == "f":
            return np.asarray(enlarged, dtype)
        limits = np.iinfo(dtype)
        return np.asarray(np.rint(enlarged).clip(limits.min, limits.max), dtype)

    def _spread_of(self, spread: np.ndarray, pixels: Pixels) -> np.ndarray:
        """The spread in stored values, the mean of the bands; NaN where one of them is invalid."""
        radiometry = self._scene.radiometry
        # With a negative scale of the file, what is 0 to the network is the higher value.
        span = np.mean([abs(radiometry.high[band] - radiometry.low[band]) for band in self._network])
        stored = np.asarray(spread * span, np.float32)[None]
        if not pixels.all_valid:
            scale = self._layout.scale
            valid = pixels.valid[self._network].all(axis=0)
            stored[0][~valid.repeat(scale, axis=0).repeat(scale, axis=1)] = np.nan
        return stored

    def _measured(self, values: np.ndarray, pixels: Pixels, step: Step) -> dict[str, Any]:
        """What is measured of the network's bands, (C, s h, s w) of the step's outer window."""
        scale = self._layout.scale
        valid = None if pixels.all_valid else pixels.valid[self._network]
        note: dict[str, Any] = {}
        if scale > 1:
            stored = pixels.values[self._network]
            inner = step.inner.relative_to(step.outer)
            sums = consistency.measure(values, stored, scale=scale, valid=valid, inner=inner)
            note["consistency"] = asdict(sums)
        place = _with_neighbours(step.inner.scaled(scale))
        piece = (slice(None),) + place.relative_to(step.outer.scaled(scale)).slices
        known = None if valid is None else valid.repeat(scale, axis=1).repeat(scale, axis=2)[piece]
        measured = seams.measure_seams(values[piece], self._layout.grid, scale=scale, place=place, valid=known)
        note["seams"] = asdict(measured)
        return note


def _with_neighbours(place: Window) -> Window:
    """A piece of the output with the row above and the column on its left, where there are any."""
    top, left = max(place.top - 1, 0), max(place.left - 1, 0)
    return Window(top=top, left=left, height=place.bottom - top, width=place.right - left)
