"""A trained network as a program for elsewhere: ONNX, or torch.export, for images and batches of any size."""

import contextlib
import copy
import importlib.util
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segsr_arch.capabilities import SizeRule, capabilities_of
from segsr_arch.errors import ConfigError, DependencyError
from segsr_arch.export import ENDINGS
from segsr_arch.files.atomic import atomic_write
from segsr_arch.files.text_files import make_folder
from segsr_arch.inference.form import to_inference_form
from segsr_arch.running.logs import errors_only, nothing_shown

INPUT, OUTPUT = "lq", "sr"
TOLERANCE = 1e-4
# Batch, height and width of the images a program is tried on; the windows of HAT are 16 pixels wide.
SIZES = ((1, 16, 24), (2, 33, 17), (1, 48, 64))
_ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")

_Run = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class ExportedProgram:
    """What was written.

    Attributes:
        path: The file.
        largest_difference: Between its output and the trained network's on images of :data:`SIZES`, in [0, 1].
    """

    path: Path
    largest_difference: float


def check_requirements(kind: str) -> None:
    """Find out at once whether the packages are there that a kind of program needs.

    Raises:
        DependencyError: If some are not installed.
    """
    if kind == "onnx" and (missing := [name for name in _ONNX_PACKAGES if importlib.util.find_spec(name) is None]):
        raise DependencyError(
            f"--format onnx needs {', '.join(missing)}, not installed here: pip install 'segsr-arch[export]'."
        )


def export_program(network: nn.Module, *, stem: Path, kind: str, description: Mapping[str, Any]) -> ExportedProgram:
    """Write a network as a program in float32, after it has been tried.

    The program takes ``lq`` (B, 3, H, W) float32, RGB in [0, 1], any B, H and W, and gives ``sr`` (B, 3, sH, sW), not
    clipped. An ONNX file is tried with onnxruntime, a program of torch as it stands in the file.

    Args:
        network: Trained network on the CPU; it stays as it is.
        stem: Path of the file without ending; the folder is made.
        kind: ``onnx`` or ``torch``.
        description: Goes into the file, as metadata of ONNX or ``segsr.json`` of torch; values become text.

    Returns:
        The file, ``STEM.onnx`` or ``STEM.pt2``, and how far it agrees.

    Raises:
        DependencyError: If packages for ONNX are missing.
        ConfigError: If the network cannot be exported for any size, or the program differs by more than
            :data:`TOLERANCE`.
        SaveError: If the file cannot be written.
    """
    check_requirements(kind)
    if obstacle := _obstacle(network):
        raise _no_program(network, kind, obstacle)
    path = stem.with_name(f"{stem.name}.{ENDINGS[kind]}")
    converted = to_inference_form(copy.deepcopy(network), precision="fp32")
    converted.register_forward_pre_hook(_copy_input)  # whoever runs the program keeps his image, too
    description = {key: str(value) for key, value in description.items()}
    with _quiet():
        try:
            content, run = (_as_onnx if kind == "onnx" else _as_torch)(_trace(converted), description)
            difference = _largest_difference(network, run)
        except MemoryError:
            raise
        except Exception as error:  # torch and onnxruntime have many
            raise _no_program(network, kind, _first_line(error)) from error
    if not difference <= TOLERANCE:
        raise ConfigError(
            f"--format {kind}: the program differs from {type(network).__name__} by {difference:.2g}, more than "
            f"{TOLERANCE:g}; nothing was written. Use --format checkpoint, and report this network."
        )
    make_folder(path.parent)
    with atomic_write(path) as file:
        file.write(content)
    return ExportedProgram(path=path, largest_difference=difference)


def _obstacle(network: nn.Module) -> str | None:
    """What is declared of a network that no program for images of any size can have."""
    declared = capabilities_of(network)
    if not declared.exportable:
        return "it is declared so."
    rule = declared.size_rule(network)
    if declared.takes_any_size or rule == SizeRule():
        return None
    return f"the sides of its images must be {rule}, and no program pads them."


def _no_program(network: nn.Module, kind: str, reason: str) -> ConfigError:
    return ConfigError(
        f"network_g: {type(network).__name__} cannot become a program of --format {kind} for images of any size: "
        f"{reason} Where its code asks for the size or the values of the input, no program can hold for all of them. "
        "Use --format checkpoint."
    )


def _copy_input(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(each.clone() for each in inputs)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the exporters say of their own operators and of versions of ONNX."""
    with errors_only("torch.onnx", "torch.export", "onnxscript", "onnx_ir"), nothing_shown():
        yield


def _trace(network: nn.Module) -> torch.export.ExportedProgram:
    dynamic = torch.export.Dim.DYNAMIC
    image = torch.rand(2, 3, 20, 28)  # sizes that no window or patch divides, and all different
    sizes = {0: dynamic, 2: dynamic, 3: dynamic}
    with torch.no_grad():
        return torch.export.export(network, (image,), dynamic_shapes=(sizes,), strict=False)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300] if lines else ''}"


def _as_torch(program: torch.export.ExportedProgram, description: Mapping[str, str]) -> tuple[bytes, _Run]:
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={"segsr.json": json.dumps(description)})
    content = buffer.getvalue()
    return content, torch.export.load(io.BytesIO(content)).module()


def _as_onnx(program: torch.export.ExportedProgram, description: Mapping[str, str]) -> tuple[bytes, _Run]:
    import onnxruntime

    written = torch.onnx.export(program, dynamo=True, input_names=[INPUT], output_names=[OUTPUT], verbose=False)
    assert written is not None  # it is None where a file was asked for
    written.model.metadata_props.update(description)
    content = written.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return content, lambda lq: torch.from_numpy(session.run([OUTPUT], {INPUT: lq.numpy()})[0])


def _largest_difference(network: nn.Module, run: _Run) -> float:
    generator = torch.Generator().manual_seed(0)
    differences: list[float] = []
    with torch.no_grad():
        for batch, height, width in SIZES:
            lq = torch.rand(batch, 3, height, width, generator=generator)
            expected, given = network(lq.clone()), run(lq.clone())
            if given.shape != expected.shape:
                return float("inf")
            differences.append((given - expected).abs().max().item())
    return max(differences)
