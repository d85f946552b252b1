"""The network that a fine-tuning starts with: one with a name, or that of a test's option file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segsr_arch.config.imports import KEY as IMPORTS
from segsr_arch.config.imports import import_entries, imports_from_anywhere
from segsr_arch.config.overrides import apply_overrides
from segsr_arch.config.yaml_file import read_options
from segsr_arch.degradations.named_chains import BICUBIC
from segsr_arch.errors import ConfigError
from segsr_arch.export.checkpoint import is_exported
from segsr_arch.named_models import SCHEME
from segsr_arch.named_models.card import UNKNOWN, ModelCard
from segsr_arch.named_models.folders import find_model, weights_of
from segsr_arch.weights.digests import file_digest

_TRAINABLE = ("SeGSRModel", "SRModel")
_REDUCTION_ALONE = ([{"type": "reduce"}], [{"type": "reduce", "how": "bicubic"}])
_CHANNELS = ("num_in_ch", "in_chans", "in_channels")


@dataclass(frozen=True, kw_only=True)
class Start:
    """A network with its weights.

    Attributes:
        name: What it is called.
        scale: Upscaling factor.
        network: ``network_g`` of its options.
        path: ``path`` of its options, seen from anywhere.
        digest: SHA-256 of its weights.
        card: What is known of it.
        imports: ``imports:`` of its options, seen from anywhere; empty if there are none.
    """

    name: str
    scale: int
    network: Mapping[str, Any]
    path: Mapping[str, Any]
    digest: str
    card: ModelCard
    imports: Mapping[str, Any]

    @property
    def weights(self) -> str:
        """What names its weights in an option file."""
        return str(self.path["pretrain_network_g"])


def start_of_model(name: str) -> Start:
    """Take a network with a name.

    Raises:
        ConfigError: If there is none, or it cannot be trained further.
        WeightsFileError: If its weights are missing or damaged.
    """
    model = find_model(name.removeprefix(SCHEME))
    return _start(model.name, read_options(model.options), weights_of(f"{SCHEME}{model.name}"), model.card)


def start_of_options(path: Path, changes: Sequence[str] = ()) -> Start:
    """Take the network of a test's option file.

    Args:
        path: The file.
        changes: As for ``--force_yml``.

    Raises:
        ConfigError: If it names no weights, or the network cannot be trained further.
        WeightsFileError: If its weights are missing or damaged.
    """
    opt = apply_overrides(read_options(path), changes)
    weights = (opt.get("path") or {}).get("pretrain_network_g")
    if not weights:
        raise ConfigError(f"{path}: path: pretrain_network_g: names no weights to start with.")
    if str(weights).startswith(SCHEME):
        found = weights_of(str(weights), beside=path)
    else:
        found = Path(weights).expanduser().resolve()
        if not found.is_file():
            raise ConfigError(f"{path}: path: pretrain_network_g: {weights} does not exist (looked in {Path.cwd()}).")
    return _start(str(opt.get("name", path.stem)), opt, found, ModelCard.read(opt.get("card")))


def _start(name: str, opt: Mapping[str, Any], weights: Path, card: ModelCard) -> Start:
    network, scale = opt.get("network_g"), opt.get("scale")
    if not isinstance(network, Mapping) or not isinstance(scale, int):
        raise ConfigError(f"{name}: its option file has no network_g and scale; give that of a test.")
    if is_exported(opt):
        raise ConfigError(
            f"{name}: this network is in the form for inference, which cannot be trained; give the option file of the "
            f"trained one: -opt FILE."
        )
    kind = opt.get("model_type")
    if kind not in _TRAINABLE:
        raise ConfigError(
            f"{name}: networks of model_type {kind} are trained in ways of their own; only {' and '.join(_TRAINABLE)} "
            f"are fine-tuned so."
        )
    for key in _CHANNELS:
        if network.get(key, 3) != 3:
            raise ConfigError(
                f"{name}: its network takes {network[key]} bands ({key}), and images are prepared as RGB, three."
            )
    imports = imports_from_anywhere(opt)
    import_entries(imports.get(IMPORTS, ()), source=name)
    given = opt["path"]["pretrain_network_g"]
    path = {
        "pretrain_network_g": given if str(given).startswith(SCHEME) else str(weights),
        "param_key_g": opt["path"].get("param_key_g", "params"),
        "strict_load_g": True,
    }
    return Start(
        name=name,
        scale=scale,
        network=_from_anywhere(network),
        path=path,
        digest=file_digest(weights),
        card=card,
        imports=imports,
    )


def _from_anywhere(options: Any) -> Any:
    """Make paths of files that are there absolute, since the run works in a folder of its own."""
    if isinstance(options, Mapping):
        return {key: _from_anywhere(value) for key, value in options.items()}
    if isinstance(options, str) and ("/" in options or Path(options).suffix) and Path(options).is_file():
        return str(Path(options).resolve())
    return options


def known_degradation(card: ModelCard) -> Any:
    """The chain of degradations that a card states; ``None`` if it states none, or the bicubic reduction alone."""
    given = card.degradation
    return None if given in (UNKNOWN, BICUBIC) or given in _REDUCTION_ALONE else given
