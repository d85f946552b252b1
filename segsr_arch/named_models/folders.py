"""Where networks with names lie, and which there are.

A model is an option file of a test with a ``card:``, ``NAME.yml``, and the file of its weights beside it,
``NAME.safetensors``. ``segsr://NAME`` stands for the weights wherever an option file names a file of weights.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segsr_arch.config.yaml_file import read_options
from segsr_arch.errors import ConfigError, SegsrError, WeightsFileError
from segsr_arch.known_names import nearest_hint
from segsr_arch.named_models import DEFAULT_NAME, DEFAULT_SCALE, SCHEME, VARIABLE
from segsr_arch.named_models.card import UNKNOWN, ModelCard
from segsr_arch.weights.digests import file_digest

ENDING = ".safetensors"
_OWN = Path(__file__).parent / "files"


@dataclass(frozen=True, kw_only=True)
class NamedModel:
    """A network with a name.

    Attributes:
        name: It.
        options: Option file of a test.
        weights: File of its weights.
        scale: Upscaling factor.
        card: What is known of it.
        shipped: Whether it came with this package.
    """

    name: str
    options: Path
    weights: Path
    scale: int
    card: ModelCard
    shipped: bool


def own_folder() -> Path:
    """Where a user's models go: ``segsr/models`` below ``$XDG_CONFIG_HOME``, or below ``~/.config``."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config, "segsr", "models")


def model_folders() -> list[Path]:
    """Folders that models are looked for in, the first first: those of ``SEGSR_MODELS``, the user's, the package's."""
    given = [Path(each).expanduser() for each in os.environ.get(VARIABLE, "").split(os.pathsep) if each]
    return [*given, own_folder(), _OWN]


def fix_folders() -> None:
    """Let ``SEGSR_MODELS`` name the same folders from everywhere, for commands that are started in another one."""
    given = os.environ.get(VARIABLE)
    if given:
        os.environ[VARIABLE] = os.pathsep.join(
            os.path.abspath(Path(each).expanduser()) for each in given.split(os.pathsep) if each
        )


def find_models() -> tuple[list[NamedModel], list[str]]:
    """Find all models.

    Returns:
        The models by name, and sentences on files that are none, or that another one of that name hides.
    """
    found: dict[str, NamedModel] = {}
    problems = []
    for path in _option_files():
        if path.stem in found:
            problems.append(f"{path} is not seen: {found[path.stem].options} has the same name.")
            continue
        try:
            found[path.stem] = _read(path)
        except SegsrError as error:
            problems.append(str(error))
    return [found[name] for name in sorted(found)], problems


def find_model(name: str) -> NamedModel:
    """Find a model by its name.

    Raises:
        ConfigError: If there is none, or its option file is wrong.
    """
    paths = list(_option_files())
    for path in paths:
        if path.stem == name:
            return _read(path)
    known = {path.stem for path in paths}
    hint = nearest_hint(name, known) if known else f"; there are none in {', '.join(map(str, model_folders()))}"
    raise ConfigError(f"There is no model {name}{hint}{'' if hint.endswith('?') else '.'} segsr models lists them.")


def is_model(name: str) -> bool:
    """Whether there is a model of this name."""
    return any(path.stem == name for path in _option_files())


def default_name(scale: int | None = None) -> str | None:
    """The network that is taken where none is named; ``None`` if there is none.

    Args:
        scale: Its upscaling factor; ``None`` takes the usual one.
    """
    name = DEFAULT_NAME.format(scale=scale or DEFAULT_SCALE)
    return name if is_model(name) else None


def weights_of(reference: str, *, beside: Path | None = None) -> Path:
    """Find the weights that a reference names, and compare them with the digest of the card.

    Args:
        reference: ``segsr://NAME``.
        beside: Option file that names them; that of a model names its own, wherever it lies.

    Raises:
        ConfigError: If there is no such model.
        WeightsFileError: If the file is missing or another one.
    """
    name = reference.removeprefix(SCHEME)
    own = beside is not None and beside.stem == name and beside.with_suffix(ENDING).is_file()
    model = _read(beside) if own and beside is not None else find_model(name)
    if not model.weights.is_file():
        raise WeightsFileError(f"{reference}: {model.options} is there, but {model.weights} is missing.")
    if model.card.sha256 not in (UNKNOWN, file_digest(model.weights)):
        raise WeightsFileError(
            f"{reference}: {model.weights} is damaged or another file: its SHA-256 is not the one on the card "
            f"({model.options}). Put the file back, or install the package again."
        )
    return model.weights


def with_weights(opt: dict[str, Any], *, beside: Path | None = None) -> dict[str, Any]:
    """Replace references in options by the paths of the weights, in place.

    Args:
        opt: Options, or a section of them.
        beside: Their file.

    Returns:
        ``opt``.

    Raises:
        ConfigError: If there is no such model; the key is named.
        WeightsFileError: As in :func:`weights_of`.
    """
    for key, value in opt.items():
        if isinstance(value, dict):
            with_weights(value, beside=beside)
        elif isinstance(value, str) and value.startswith(SCHEME):
            try:
                opt[key] = str(weights_of(value, beside=beside))
            except ConfigError as error:
                raise ConfigError(f"{key}: {value}: {error}") from error
    return opt


def _option_files() -> Iterator[Path]:
    for folder in model_folders():
        yield from sorted(folder.glob("*.yml"))


def _read(path: Path) -> NamedModel:
    content: Mapping[str, Any] = read_options(path)
    scale = content.get("scale")
    if not isinstance(content.get("network_g"), Mapping) or not isinstance(scale, int):
        raise ConfigError(f"{path}: is no option file of a test: network_g and scale are needed. Take it out of there.")
    try:
        card = ModelCard.read(content.get("card"))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    shipped = path.parent == _OWN
    weights = path.with_suffix(ENDING)
    return NamedModel(name=path.stem, options=path, weights=weights, scale=scale, card=card, shipped=shipped)
