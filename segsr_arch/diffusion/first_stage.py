"""The first stage of a network in two: bicubic interpolation or any network, frozen, whose image the second reads."""

import inspect
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segsr_arch.errors import CheckpointError, ConfigError
from segsr_arch.freezing import FrozenIdentity, KeepsFrozenOut, state_digest
from segsr_arch.inference.sampling_seeds import samples_by_seed
from segsr_arch.inference.super_resolution import super_resolve
from segsr_arch.weights.layouts import in_layout_of
from segsr_arch.weights.network_weights import put_weights, read_weights
from segsr_arch.weights.random_weights import fill_portably
from segsr_arch.zoo.named_networks import SCALE_NAMES, Base

logger = logging.getLogger(__name__)

PATH = "path"
"""The key beside the arguments of the network that names its checkpoint."""
_SEED = 0  # of random weights


class FirstStage(KeepsFrozenOut):
    """A network that is not trained here, and is in no checkpoint: that has a digest of it.

    Args:
        given: ``bicubic``; or ``type`` and arguments of a registered network or of ``spandrel/NAME``, and ``path``, its
            checkpoint, of which ``params_ema`` is read, or else ``params`` or what else holds weights. Without it, the
            weights are random, which is said.
        scale: What it enlarges by.

    Raises:
        ConfigError: If the network is not known, an argument is wrong, it enlarges by another scale, or there is no
            such file.
        CheckpointError: If the checkpoint cannot be read or belongs to another network.
        DependencyError: If the network needs a package that is not installed.
    """

    frozen_noun = "first stage"
    frozen_remedy = "Describe in network_g: base the network that it was trained with, and give its checkpoint as path."

    def __init__(self, given: str | Mapping[str, Any], *, scale: int) -> None:
        super().__init__()
        self._scale = scale
        base, path = _read(given, scale)
        self.network = base.build()
        if path is not None:
            _load(self.network, path)
            source = path.name[-40:]
        elif any(True for _ in self.network.parameters()):
            logger.warning(
                "network_g: base: %s has no path: its weights are RANDOM, and its images are nothing like the LR "
                "images. Give a checkpoint of it as path.",
                base.name,
            )
            own = self.network.state_dict().keys()  # parts of it that were read from elsewhere are not among them
            fill_portably(self.network, np.random.PCG64(_SEED), width=1, embeddings=(), only=own)
            source = f"random({_SEED})"
        else:
            source = "none"
        state = {name: value for name, value in self.network.state_dict().items() if isinstance(value, Tensor)}
        self.freeze("network", identity=FrozenIdentity(name=base.name[:80], source=source, digest=state_digest(state)))
        self.train(False)

    def train(self, mode: bool = True) -> "FirstStage":
        """Stay in evaluation mode, whatever the mode."""
        super().train(False)
        return self

    @torch.no_grad()
    def forward(self, lq: Tensor, *, seed: int) -> Tensor:
        """Super-resolve LR images without gradients, in float32.

        Args:
            lq: (B, 3, H, W), RGB in [0, 1].
            seed: Of the noise, if the network samples.

        Returns:
            (B, 3, sH, sW), RGB in [0, 1].

        Raises:
            ConfigError: If the network enlarges by another scale.
        """
        network = partial(self.network, seed=seed) if samples_by_seed(self.network) else self.network
        with torch.autocast(lq.device.type, enabled=False):
            return super_resolve(network, lq.float(), scale=self._scale).float().clamp(0, 1)


def check_first_stage(given: str | Mapping[str, Any], *, scale: int) -> None:
    """Find what is wrong with a first stage; its checkpoint is read, other weights are not.

    Args:
        given: As in :class:`FirstStage`.
        scale: As there.

    Raises:
        ConfigError: As there.
        CheckpointError: As there.
        DependencyError: As there.
    """
    base, path = _read(given, scale)
    options = {"type": base.name, **base.arguments}
    if hasattr(base.network, "check_options"):
        base.network.check_options(options)
    if path is None:
        if not hasattr(base.network, "check_options"):
            base.outline()
    elif hasattr(base.network, "check_checkpoint"):
        state, _ = _weights(path)
        try:
            base.network.check_checkpoint(options, state, True)
        except CheckpointError as error:
            raise CheckpointError(f"network_g: base: path: {path}: {error}") from error
    else:
        _load(base.outline(), path, assign=True)


def _read(given: str | Mapping[str, Any], scale: int) -> tuple[Base, Path | None]:
    if given == "bicubic":
        given = {"type": "Bicubic", "upscale": scale}
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"network_g: base: must be bicubic, or a mapping of a network's type, its arguments and path, its "
            f"checkpoint; got {given!r}."
        )
    try:
        base = Base.from_options({name: value for name, value in given.items() if name != PATH})
    except ConfigError as error:
        raise ConfigError(f"network_g: {error}") from error
    parameters = inspect.signature(base.network).parameters
    known = {**{name: p.default for name, p in parameters.items()}, **base.arguments}
    for name in SCALE_NAMES:
        value = known.get(name)
        if isinstance(value, int) and value >= 1 and value != scale:
            raise ConfigError(
                f"network_g: base: {name}: {base.name} enlarges x{value}, but scale is {scale}; they must be equal."
            )
    path = given.get(PATH)
    if path is None:
        return base, None
    if not isinstance(path, str):
        raise ConfigError(f"network_g: base: path: must be the path of a checkpoint, got {path!r}.")
    file = Path(path).expanduser()
    if not file.is_file():
        raise ConfigError(
            f"network_g: base: path: there is no file {path} (seen from {Path.cwd()}). Train the first stage first, or "
            f"name its checkpoint."
        )
    return base, file


def _weights(path: Path) -> tuple[dict[str, Tensor], str | None]:
    try:
        return read_weights(path, "params_ema")
    except CheckpointError as error:
        raise CheckpointError(f"network_g: base: path: {error}") from error


def _load(network: nn.Module, path: Path, *, assign: bool = False) -> None:
    state, _ = _weights(path)
    try:
        put_weights(network, in_layout_of(network, state, path=path), path, strict=True, assign=assign)
    except CheckpointError as error:
        raise CheckpointError(f"network_g: base: path: {error}") from error
