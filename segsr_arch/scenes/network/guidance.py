"""Guided networks on scenes: guided by each tile by itself or by the scene around it, and their maps as a raster."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from torch import Tensor

from segsr_arch.errors import ConfigError
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.scenes.network.backends import AUTO, BackendChoice
from segsr_arch.scenes.network.checked_model import CheckedModel
from segsr_arch.scenes.network.networks import NetworkModel
from segsr_arch.scenes.network.scene_model import ModelAround, SceneModel
from segsr_arch.scenes.network.scene_signals import SceneSignals, Views, shown_maps
from segsr_arch.scenes.options import CONTEXTS
from segsr_arch.windows import Window


def with_context(model: SceneModel, context: str, *, views: Views | None = None) -> SceneModel:
    """Choose what guides the tiles of a scene.

    Args:
        model: What :func:`~segsr_arch.scenes.network.networks.as_scene_model` gives.
        context: ``tile``: each tile is guided by what is in it; ``scene``: by the scene around it.
        views: What is seen of the scene; ``None`` for the default sizes.

    Returns:
        For ``tile`` the model itself.

    Raises:
        ConfigError: If the context is not known, or is ``scene`` and the model is no network with a semantic guide, or
            one that a program is to be made of.
    """
    if context not in CONTEXTS:
        raise ConfigError(f"--context: {context!r} is not known; use {' or '.join(CONTEXTS)}.")
    if context == "tile":
        return model
    inner, network, _ = _taken_apart(model)
    _refuse_programs(model)
    if inner is None or network is None:
        raise ConfigError(
            f"--context scene: {model.name} has no semantic guide that could be shown the scene. Leave --context out, "
            f"or give a guided network as an option file (-opt) with its checkpoint; an exported program has its guide "
            f"within, where it sees the tile alone."
        )
    return CheckedModel(GuidedByScene(inner, network, views=views or Views()))


def maps_model(model: SceneModel) -> "MapsModel":
    """Make what gives the guidance maps at the tiles of a scene.

    Args:
        model: A guided network as a model of scenes: with the context ``scene`` (see :func:`with_context`) the maps are
            those that guide its tiles, else those of each tile by itself.

    Raises:
        ConfigError: If it is no network with maps.
    """
    inner, _, views = _taken_apart(model)
    network = network_with_maps(model)
    if inner is None or network is None:
        raise ConfigError(
            f"--maps: {model.name} has no guidance maps. Leave --maps out, or give a network that has some (semantics: "
            f"modules: sfem+slm+lmm) as an option file (-opt) with its checkpoint."
        )
    return MapsModel(inner, network, views=views)


def network_with_maps(model: SceneModel) -> GuidedNetwork | None:
    """Find the guided network within other models; ``None`` if there is none, or it has no maps."""
    _, network, _ = _taken_apart(model)
    return network if network is not None and network.has_maps else None


def _refuse_programs(model: SceneModel) -> None:
    """Refuse a backend that was asked for by name; where the fastest was, torch is what can be shown the scene."""
    while isinstance(model, ModelAround):
        if isinstance(model, BackendChoice) and model.wanted != AUTO:
            raise ConfigError(
                f"--context scene: {model.wanted} runs {model.name} as a program that has its guide within, where it "
                f"sees the tile alone. Use --backend torch, or leave --context out."
            )
        model = model.inner


def _taken_apart(model: SceneModel) -> tuple[NetworkModel | None, GuidedNetwork | None, Views | None]:
    """Find the network within other models, the guided network behind it, and what it sees of scenes, if there is."""
    views = None
    while isinstance(model, ModelAround):
        if isinstance(model, GuidedByScene):
            views = model.views
        model = model.inner
    inner = model if isinstance(model, NetworkModel) else None
    network = None if inner is None else inner.module
    return inner, network if isinstance(network, GuidedNetwork) else None, views


class GuidedByScene(ModelAround):
    """A guided network whose tiles are guided by signals of the scene, and so alike where they meet.

    Args:
        inner: The network as a model of scenes.
        network: The network itself.
        views: What is seen of the scene.
        signals: Those of the scene that its tiles are of.
    """

    inner: NetworkModel

    def __init__(
        self, inner: NetworkModel, network: GuidedNetwork, *, views: Views, signals: SceneSignals | None = None
    ) -> None:
        super().__init__(inner)
        self.network, self.views = network, views
        self._signals = signals

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the network, and what guides it."""
        return {**self.inner.identity, "context": asdict(self.views)}

    def for_scene(self, read: Callable[[Window], Tensor], *, height: int, width: int) -> "GuidedByScene":
        """Look at a scene from now on."""
        signals = SceneSignals(self.network.guide, read, height=height, width=width, views=self.views)
        return GuidedByScene(self.inner, self.network, views=self.views, signals=signals)

    def __call__(self, tiles: Tensor, windows: Sequence[Window], *, symmetry: int = 0) -> Tensor:
        """Super-resolve tiles, as any scene model.

        Raises:
            ConfigError: If it has not been told the scene.
        """
        if self._signals is None:
            raise ConfigError(f"{self.name}: is guided by the scene, and must be told it: call for_scene first.")
        with self.inner.computing():
            signals = self._signals.at(windows, symmetry=symmetry)
            sr: Tensor = self.network(tiles.to(self.inner.device), signals=signals)
            return sr.float().cpu()


class MapsModel:
    """Gives the semantic guidance maps (SeG-SR eq. 8) at tiles of a scene, at the resolution of the LR image.

    Args:
        inner: The network as a model of scenes.
        network: The network itself, with maps.
        views: What it sees of the scene; ``None`` if each tile is guided by itself.
        signals: Those of the scene that its tiles are of.

    Attributes:
        names: What each channel is: ``unit 1: layers.0``.
        scale: 1.
    """

    scale = 1

    def __init__(
        self,
        inner: NetworkModel,
        network: GuidedNetwork,
        *,
        views: Views | None,
        signals: SceneSignals | None = None,
    ) -> None:
        self._inner, self._network, self._views, self._signals = inner, network, views, signals
        changed = " (standardised)" if network.guide.config.standardised_maps else ""
        self.names = tuple(f"unit {number}: {path}{changed}" for number, path in enumerate(network.unit_paths, start=1))

    def for_scene(self, read: Callable[[Window], Tensor], *, height: int, width: int) -> "MapsModel":
        """Get ready for a scene, as any scene model."""
        if self._views is None:
            return self
        signals = SceneSignals(self._network.guide, read, height=height, width=width, views=self._views)
        return MapsModel(self._inner, self._network, views=self._views, signals=signals)

    def __call__(self, tiles: Tensor, windows: Sequence[Window]) -> Tensor:
        """Compute maps.

        Args:
            tiles: LR tiles (N, 3, h, w), RGB in [0, 1].
            windows: Their places, in LR pixels of the scene.

        Returns:
            (N, k, h, w) float32 on the CPU: cosine similarities in [-1, 1], or standardised ones where the guide
            standardises them, of mean 0 and deviation 1 in a view or tile; before any learned scale or upsampling.

        Raises:
            ConfigError: If it is to look at the scene, and has not been told it.
        """
        with self._inner.computing():
            if self._views is None:
                guide, tiles = self._network.guide, tiles.to(self._inner.device)
                maps = guide.resize(guide.cells(*guide.extract(tiles)), (tiles.shape[-2], tiles.shape[-1]))
                return shown_maps(guide, maps).cpu()
            if self._signals is None:
                raise ConfigError(f"{self._inner.name}: maps are those of a scene: call for_scene first.")
            return self._signals.maps(windows).cpu()
