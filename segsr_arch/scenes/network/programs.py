"""Exported programs, run by torch, onnxruntime or OpenVINO with as many threads as torch has."""

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segsr_arch.errors import ConfigError, DataError, DependencyError, first_line
from segsr_arch.scenes.network.networks import NetworkModel, as_scene_model
from segsr_arch.weights.digests import file_digest

Runner = Callable[[Tensor], Tensor]
_EXTRAS = {"onnxruntime": "export", "openvino": "openvino"}
_MOST_SHAPES = 4  # that OpenVINO holds a program for: tiles, fewer tiles at the end, and those of another scene


def installed_backends() -> tuple[str, ...]:
    """What can run an ONNX file here, the first as a rule the one that it was tried with."""
    return tuple(name for name in _EXTRAS if importlib.util.find_spec(name) is not None)


def check_backend(name: str) -> None:
    """Find out at once whether what is to run a program is there.

    Raises:
        DependencyError: If it is not installed.
    """
    if name not in installed_backends():
        raise DependencyError(
            f"--backend {name}: {name} is not installed here: pip install 'segsr-arch[{_EXTRAS[name]}]'."
        )


def onnx_runner(path: Path, backend: str) -> Runner:
    """Load an ONNX file of one image.

    Args:
        path: The file.
        backend: ``onnxruntime`` or ``openvino``.

    Returns:
        Maps (B, 3, H, W) to (B, 3, sH, sW), both float32 on the CPU.

    Raises:
        DependencyError: If the backend is not installed.
        DataError: If it cannot read the file.
    """
    check_backend(backend)
    try:
        return _of_onnxruntime(path) if backend == "onnxruntime" else _of_openvino(path)
    except MemoryError:
        raise
    except Exception as error:  # each has classes of its own
        raise DataError(f"{path}: {backend} cannot run it ({first_line(error, longest=300)}).") from error


def _of_onnxruntime(path: Path) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (image,), (sr, *_) = session.get_inputs(), session.get_outputs()
    return lambda lq: torch.from_numpy(session.run([sr.name], {image.name: lq.contiguous().numpy()})[0])


def _of_openvino(path: Path) -> Runner:
    import openvino

    core = openvino.Core()
    any_shape = core.read_model(path)
    settings = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": "f32",  # it takes bfloat16 where the processor has it
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled: dict[tuple[int, ...], Any] = {}

    def run(lq: Tensor) -> Tensor:
        shape = tuple(lq.shape)
        if shape not in compiled:  # for one shape it is faster than for all
            if len(compiled) == _MOST_SHAPES:
                del compiled[next(iter(compiled))]
            program = any_shape.clone()
            program.reshape(list(shape))
            compiled[shape] = core.compile_model(program, "CPU", settings)
        return torch.from_numpy(compiled[shape](lq.contiguous().numpy())[0].copy())

    return run


def load_onnx(path: Path, backend: str) -> NetworkModel:
    """Load an ONNX file as a model of scenes.

    Args:
        path: What ``segsr export --format onnx`` wrote, or a file of others for images of any size.
        backend: ``onnxruntime`` or ``openvino``.

    Raises:
        DependencyError: If the backend is not installed.
        DataError: If the file is not there or cannot be run.
        ConfigError: If it does not take (B, 3, H, W) or gives no larger image.
    """
    if not path.is_file():
        raise DataError(f"--model {path}: there is no such file.")
    return _as_model(onnx_runner(path, backend), path, backend)


def load_torch_program(path: Path, device: torch.device) -> NetworkModel:
    """Load what ``segsr export --format torch`` wrote as a model of scenes.

    Args:
        path: The file.
        device: Where it is to be run.

    Raises:
        DataError: If the file is not there or is no such program.
        ConfigError: If it does not take (B, 3, H, W) or gives no larger image.
    """
    if not path.is_file():
        raise DataError(f"--model {path}: there is no such file.")
    extra = {"segsr.json": ""}
    try:
        program = torch.export.load(path, extra_files=extra)
        if device.type != "cpu":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, device)
        run = program.module()
    except MemoryError:
        raise
    except Exception as error:  # torch has many
        raise DataError(
            f"--model {path}: is no program of torch.export, or of a version that this torch cannot read "
            f"({first_line(error, longest=300)})."
        ) from error
    return _as_model(run, path, "torch", device=device, described=json.loads(extra["segsr.json"] or "{}"))


def _as_model(
    run: Runner,
    path: Path,
    backend: str,
    *,
    device: torch.device | None = None,
    described: Mapping[str, str] | None = None,
) -> NetworkModel:
    """A program that has been loaded, its scale found by a trial."""
    known_by = {"program": file_digest(path), "backend": backend}
    place = device or torch.device("cpu")
    try:
        tried = as_scene_model(lambda lq: run(lq.to(place)), name=path.name, identity=known_by)
    except ConfigError as error:
        raise ConfigError(f"--model {error} A program for images of any size is needed.") from error
    name = (described or {}).get("name", path.stem)
    return NetworkModel(run, name=name, scale=tried.scale, identity={"scale": tried.scale, **known_by}, device=place)
