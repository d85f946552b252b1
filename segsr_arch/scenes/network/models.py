"""What upscales a scene, by what a command line says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.trained_network import TrainedNetwork, load_trained
from segsr_arch.export import ENDINGS
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.models.train_options import AMP_DTYPES
from segsr_arch.models.validated_model import ValidatedModel
from segsr_arch.named_models import DEFAULT_NAME, SCHEME
from segsr_arch.named_models.folders import default_name, find_model, is_model
from segsr_arch.scenes.network.backends import choose_for_onnx, with_backend
from segsr_arch.scenes.network.devices import find_device
from segsr_arch.scenes.network.named_models import build_named
from segsr_arch.scenes.network.networks import as_scene_model
from segsr_arch.scenes.network.programs import load_torch_program
from segsr_arch.scenes.network.sampling_model import sampling_within
from segsr_arch.scenes.network.scene_model import SceneModel
from segsr_arch.scenes.network.weights_files import load_weights_file, option_file_beside
from segsr_arch.scenes.options import BACKENDS

_OPTION_FILES = (".yml", ".yaml")
_WEIGHTS = (".pth", ".pt", ".safetensors", ".ckpt")


@dataclass(frozen=True, kw_only=True)
class ResolvedModel:
    """What upscales a scene.

    Attributes:
        model: It.
        tile: What ``tile:`` of its option file says; within the model there are no tiles any more. Of a network that
            samples, what suits it.
    """

    model: SceneModel
    tile: TileOptions | None = None


def resolve_model(
    *,
    opt: str | Path | None = None,
    model: str | None = None,
    device: str | None = None,
    amp: str | None = None,
    backend: str = "torch",
    force_yml: Sequence[str] = (),
    default_scale: int | None = None,
) -> ResolvedModel:
    """Load what a command line names.

    Args:
        opt: Option file of a test, as for ``basicsr test``.
        model: Instead, what ``segsr export`` wrote (the option file of a checkpoint, a program), a file of weights that
            spandrel recognises, a name that ``segsr models`` lists, or the name and scale of a network without weights:
            ``bicubic:4``.
        device: ``cpu``, ``cuda`` or ``cuda:1``; ``None`` takes what the option file says, or a GPU where there is one.
        amp: ``bf16`` or ``fp16`` runs a network within autocast; ``None`` as it is.
        backend: What runs it: ``torch``, ``onnxruntime``, ``openvino``, or the fastest on this machine: ``auto``.
        force_yml: Changes of the option file, as for ``--force_yml``.
        default_scale: Where neither is named, the scale of the network that comes with this package; ``None`` for the
            usual one.

    Returns:
        The model.

    Raises:
        ConfigError: If what is named is not there, is nothing of that kind, or does not go with the rest.
        DependencyError: If it needs a package that is not installed.
        CheckpointError: If weights cannot be read or do not fit.
    """
    if opt is None and model is None:
        model = default_name(default_scale)
    if (opt is None) == (model is None):
        own = f"There is no network {DEFAULT_NAME.format(scale=default_scale)}. " if default_scale else ""
        raise ConfigError(f"{own}Give either the option file of a test (-opt FILE) or a model (--model FILE_OR_NAME).")
    if amp is not None and amp not in AMP_DTYPES:
        raise ConfigError(f"--amp: {amp!r} is not known; use {' or '.join(AMP_DTYPES)}.")
    if backend not in BACKENDS:
        raise ConfigError(f"--backend: {backend!r} is not known; use {', '.join(BACKENDS)}.")
    if amp is not None and backend not in ("torch", "auto"):
        raise ConfigError(f"--amp {amp}: is for --backend torch; {backend} runs programs in float32. Leave one out.")
    if model is not None and is_model(model.removeprefix(SCHEME)):
        return _of_options(find_model(model.removeprefix(SCHEME)).options, device, amp, backend, force_yml)
    path = Path(opt if opt is not None else str(model))
    ending = path.suffix.lower()
    beside = option_file_beside(path) if opt is None and ending in _WEIGHTS and path.is_file() else None
    if opt is not None or beside is not None or ending in _OPTION_FILES:
        return _of_options(beside or path, device, amp, backend, force_yml)
    if force_yml:
        raise ConfigError(f"--force_yml: changes an option file, and --model {model} is none.")
    if ending == f".{ENDINGS['onnx']}":
        return ResolvedModel(model=_of_onnx(path, device, amp, backend))
    if ending == f".{ENDINGS['torch']}":
        _refuse_backend(path, backend)
        return ResolvedModel(model=as_scene_model(load_torch_program(path, find_device(device)), amp=amp))
    if path.is_file():
        descriptor = load_weights_file(path, find_device(device))
        return _resolved(as_scene_model(descriptor, name=path.stem, amp=amp), backend, None)
    if ending in _WEIGHTS or len(path.parts) > 1:
        raise ConfigError(f"--model {model}: there is no such file.")
    network = build_named(str(model)).to(find_device(device or "cpu"))
    _refuse_backend(path, backend)
    return ResolvedModel(model=as_scene_model(network, name=str(model).lower(), amp=amp))


def _of_options(
    path: Path, device: str | None, amp: str | None, backend: str, force_yml: Sequence[str]
) -> ResolvedModel:
    trained = _load(path, device, force_yml)
    tile = None
    if isinstance(trained.model, ValidatedModel):  # what windows a scene has is said once
        tile, trained.model.tile = trained.model.tile, None
    made = as_scene_model(trained, amp=amp)
    sampling = sampling_within(made)
    return _resolved(made, backend, tile if sampling is None else sampling.tile)


def _load(path: Path, device: str | None, force_yml: Sequence[str]) -> TrainedNetwork:
    place = None if device is None else find_device(device)
    if place is None or place.type == "cpu":
        return load_trained(path, device=device, overrides=force_yml, reads_data=False)
    with torch.cuda.device(place):
        trained = load_trained(path, device="cuda", overrides=force_yml, reads_data=False)
    trained.model.device = trained.device = place  # "cuda" alone is another one in other threads
    return trained


def _of_onnx(path: Path, device: str | None, amp: str | None, backend: str) -> SceneModel:
    if device not in (None, "cpu") or amp is not None:
        raise ConfigError(f"--model {path}: is a program for the cpu in float32; leave out --device and --amp.")
    return choose_for_onnx(path, backend, tile=TileOptions())


def _refuse_backend(path: Path, backend: str) -> None:
    if backend not in ("torch", "auto"):
        raise ConfigError(f"--backend {backend}: {path.name} is run by torch; leave it out.")


def _resolved(model: SceneModel, backend: str, tile: TileOptions | None) -> ResolvedModel:
    chosen = with_backend(model, backend, tile=tile or TileOptions())
    return ResolvedModel(model=as_scene_model(chosen), tile=tile)
