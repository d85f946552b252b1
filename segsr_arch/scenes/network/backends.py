"""Which of torch, onnxruntime and OpenVINO runs a network: as it is said, or as it is fastest on this machine."""

import contextlib
import copy
import hashlib
import importlib.metadata
import json
import logging
import math
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segsr_arch.errors import ConfigError, SaveError, SegsrError
from segsr_arch.export.program import TOLERANCE, export_program
from segsr_arch.files.text_files import make_folder, write_json
from segsr_arch.inference.cost import seconds_of
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.results.provenance import processor_name
from segsr_arch.scenes.network.checked_model import CheckedModel
from segsr_arch.scenes.network.networks import NetworkModel
from segsr_arch.scenes.network.programs import Runner, check_backend, installed_backends, load_onnx, onnx_runner
from segsr_arch.scenes.network.scene_model import ModelAround, SceneModel
from segsr_arch.windows import Window, WindowGrid

logger = logging.getLogger(__name__)

AUTO, TORCH = "auto", "torch"
_REPEATS = 5
_TILES = 3
_CPU = torch.device("cpu")


def with_backend(model: SceneModel, backend: str, *, tile: TileOptions) -> SceneModel:
    """Let a backend run a network.

    Args:
        model: What :func:`~segsr_arch.scenes.network.networks.as_scene_model` made of a network of torch.
        backend: One of :data:`~segsr_arch.scenes.options.BACKENDS`.
        tile: The tiles on which backends are tried.

    Returns:
        A model that exports the network and tries backends when it learns of its first scene; with ``torch``, or where
        there is nothing to choose from, the model itself.

    Raises:
        ConfigError: If a backend that was asked for cannot run it.
        DependencyError: If it is not installed.
    """
    if backend == TORCH:
        return model
    inner = model.inner if isinstance(model, CheckedModel) else model
    obstacle = None
    if not isinstance(inner, NetworkModel) or inner.module is None:
        obstacle = "it is no network of torch"
    elif inner.device.type != "cpu":
        obstacle = f"it is on {inner.device}, and the others are for the CPU"
    elif "amp" in inner.identity:
        obstacle = "the others know no --amp"
    elif backend != AUTO:
        check_backend(backend)
    elif not installed_backends():
        obstacle = "neither onnxruntime nor openvino is installed"
    if obstacle is None:
        assert isinstance(inner, NetworkModel) and inner.module is not None
        names = installed_backends() if backend == AUTO else (backend,)
        make = partial(_exported, inner.module)
        return CheckedModel(BackendChoice(inner, reference=TORCH, others=names, make=make, wanted=backend, tile=tile))
    if backend != AUTO:
        raise ConfigError(f"--backend {backend}: cannot run {model.name}, since {obstacle}. Leave it out.")
    if isinstance(inner, NetworkModel):
        inner.notes = (*inner.notes, f"{model.name}: backend torch, since {obstacle}")
    return model


def choose_for_onnx(path: Path, backend: str, *, tile: TileOptions) -> SceneModel:
    """Let a backend run an ONNX file.

    Args:
        path: The file.
        backend: One of :data:`~segsr_arch.scenes.options.BACKENDS`; ``torch``, which cannot, means the first that is
            installed, and ``auto`` the fastest.
        tile: The tiles on which backends are tried.

    Raises:
        DependencyError: If it is not installed.
        DataError: If the file is not there or cannot be run.
        ConfigError: If it does not take (B, 3, H, W) or gives no larger image.
    """
    if backend not in (TORCH, AUTO):
        return CheckedModel(load_onnx(path, backend))
    first, *others = installed_backends() or ("onnxruntime",)
    model = load_onnx(path, first)
    if backend == TORCH or not others:
        return CheckedModel(model)
    make = partial(_loaded, path)
    return CheckedModel(BackendChoice(model, reference=first, others=others, make=make, wanted=AUTO, tile=tile))


def _exported(module: nn.Module, names: Sequence[str]) -> dict[str, Runner]:
    """Export a network for backends."""
    with tempfile.TemporaryDirectory(prefix="segsr-") as folder:
        return _loaded(export_program(module, stem=Path(folder, "network"), kind="onnx", description={}).path, names)


def _loaded(path: Path, names: Sequence[str]) -> dict[str, Runner]:
    return {name: onnx_runner(path, name) for name in names}


class BackendChoice(ModelAround):
    """A network that is run by one of several backends from its first scene on.

    Args:
        inner: The network as one of them runs it, on the CPU.
        reference: The name of that one, with whose results those of others are compared.
        others: Names of the others.
        make: Makes what runs the network in each of those that are named.
        wanted: One of them, or ``auto`` for the fastest.
        tile: The tiles on which they are tried.

    Attributes:
        wanted: As it was given.
    """

    def __init__(
        self,
        inner: NetworkModel,
        *,
        reference: str,
        others: Sequence[str],
        make: Callable[[Sequence[str]], dict[str, Runner]],
        wanted: str,
        tile: TileOptions,
    ) -> None:
        super().__init__(inner)
        self._first, self._reference, self._others, self._make = inner, reference, others, make
        self.wanted, self._tile = wanted, tile
        self._chosen: SceneModel | None = None

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the network, and what was asked for: a job that goes on has the same backend."""
        return {**self.inner.identity, "backend": self.wanted}

    def __call__(self, tiles: Tensor, windows: Sequence[Window], *, symmetry: int = 0) -> Tensor:
        """Super-resolve tiles with the reference, as long as it knows of no scene."""
        return self.inner(tiles, windows, symmetry=symmetry)

    def for_scene(self, read: Callable[[Window], Tensor], *, height: int, width: int) -> SceneModel:
        """Choose a backend by the first tiles of the first scene; it holds for the others, and is remembered.

        Returns:
            The network, run by that backend, which is part of its identity.

        Raises:
            ConfigError: If the backend that was asked for cannot run it, or gives another result.
        """
        if self._chosen is None:
            size, overlap = self._tile.size, self._tile.overlap
            grid = iter(WindowGrid(height=height, width=width, size=size, overlap=overlap))
            tiles = [read(window).unsqueeze(0) for window, _ in zip(grid, range(_TILES), strict=False)]
            self._chosen = self._choose(tiles)
        return self._chosen

    def _choose(self, tiles: Sequence[Tensor]) -> SceneModel:
        memory = _memory_file(self._first.identity, tiles[0].shape)
        known = _recall(memory) if self.wanted == AUTO else {}
        wanted = known.get("backend", self.wanted)
        if wanted == self._reference:
            return self._run_by(wanted, None, known["why"])
        try:
            runners = self._make(self._others if wanted == AUTO else (wanted,))
        except SegsrError as error:
            if self.wanted != AUTO:
                raise ConfigError(f"--backend {self.wanted}: {error}") from error
            why = f"backend {self._reference}, since {error}"
            if isinstance(error, ConfigError):  # which stays; a full disk does not
                _remember(memory, self._reference, why)
            return self._run_by(self._reference, None, why)
        if known:
            return self._run_by(wanted, runners[wanted], known["why"])
        return self._fastest(runners, tiles, memory)

    def _fastest(self, runners: Mapping[str, Runner], tiles: Sequence[Tensor], memory: Path) -> SceneModel:
        models = {self._reference: self._first, **{name: self._run_by(name, run, "") for name, run in runners.items()}}
        seconds, differences = _try(models, tiles, self._reference)
        for name, difference in differences.items():
            if not difference <= TOLERANCE:
                reason = (
                    f"differs from {self._reference} by {difference:.2g} on tiles of the scene, more than {TOLERANCE:g}"
                )
                if self.wanted != AUTO:
                    raise ConfigError(f"--backend {name}: {self.name} {reason}. Leave it out.")
                logger.warning("%s: %s %s; it is not used.", self.name, name, reason)
                del seconds[name]
        chosen = min(seconds, key=seconds.__getitem__) if self.wanted == AUTO else self.wanted
        listed = ", ".join(f"{name} {1000 * value:.3g} ms" for name, value in seconds.items())
        sides = " x ".join(map(str, tiles[0].shape[-2:]))
        threads = torch.get_num_threads()
        why = f"backend {chosen}; a tile of {sides} takes {listed} with {threads} thread{'s' if threads > 1 else ''}"
        if self.wanted == AUTO:
            if known := _recall(memory):  # another worker was faster, and all are to do the same
                chosen, why = known["backend"], known["why"]
            _remember(memory, chosen, why)
        return self._run_by(chosen, runners.get(chosen), why)

    def _run_by(self, backend: str, run: Runner | None, why: str) -> NetworkModel:
        if run is None:
            model = copy.copy(self._first)
        else:
            known_by = {**self._first.identity, "backend": backend}
            model = NetworkModel(run, name=self.name, scale=self.scale, identity=known_by, notes=self._first.notes)
        model.notes = (*model.notes, f"{self.name}: {why.removesuffix('.')}")
        return model


def _try(
    models: Mapping[str, NetworkModel], tiles: Sequence[Tensor], reference: str
) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of a tile, the median, by backend; and how far others than the reference are from it."""
    seconds: dict[str, list[float]] = {name: [] for name in models}
    differences: dict[str, float] = {name: 0.0 for name in models if name != reference}
    window = Window(height=tiles[0].shape[-2], width=tiles[0].shape[-1])
    for tile in tiles:
        results = {name: model(tile, [window]) for name, model in models.items()}
        for name in differences:
            same = results[name].shape == results[reference].shape
            difference = float((results[name] - results[reference]).abs().max()) if same else math.inf
            differences[name] = max(differences[name], difference) if not math.isnan(difference) else math.inf
    for _ in range(_REPEATS):  # in turns: another program may want the processor for a while
        for name, model in models.items():
            seconds[name].append(seconds_of(partial(model, tiles[0], [window]), _CPU))
    return {name: statistics.median(values) for name, values in seconds.items()}, differences


def _memory_file(identity: Mapping[str, Any], shape: Sequence[int]) -> Path:
    """Where it is kept what was chosen here for a network: a job that goes on is to have the same."""
    versions = {name: importlib.metadata.version(name) for name in (TORCH, *installed_backends())}
    here = [identity, list(shape), torch.get_num_threads(), platform.node(), processor_name(), versions]
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = hashlib.sha256(json.dumps(here, sort_keys=True).encode()).hexdigest()[:32]
    return Path(root, "segsr", "backends", f"{name}.json")


def _recall(memory: Path) -> dict[str, str]:
    """What was chosen; nothing if nothing was, or the file is not as it was written."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        content = json.loads(memory.read_text(encoding="utf-8"))
        if content["backend"] in (TORCH, *installed_backends()):
            return {"backend": content["backend"], "why": str(content["why"])}
    return {}


def _remember(memory: Path, backend: str, why: str) -> None:
    with contextlib.suppress(SaveError):  # it is chosen anew then
        make_folder(memory.parent)
        write_json(memory, {"backend": backend, "why": why})
