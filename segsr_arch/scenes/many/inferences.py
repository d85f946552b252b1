"""Images that become larger ones, as people ask for them who think of images: samples, captions, names."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from segsr_arch.captions.files import check_captions, read_captions
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.scenes.many.jobs import SceneTask, find_tasks, source_kind
from segsr_arch.scenes.many.source_names import missing, suffix_like
from segsr_arch.scenes.network.models import ResolvedModel, resolve_model
from segsr_arch.scenes.network.sampling_model import Drawing, with_drawing
from segsr_arch.scenes.output.formats import ending_problem
from segsr_arch.text import composed


def image_task(image: str, output: str, *, options: Mapping[str, Any]) -> list[SceneTask]:
    """Say what one image becomes.

    Args:
        image: The image, or anything else that GDAL opens.
        output: Folder, or a file if its ending means a format and no folder has that name.
        options: Keyword arguments of :func:`~segsr_arch.scenes.upscale`.

    Raises:
        DataError: If there is none, or it is its own destination.
        ConfigError: If it is several.
    """
    kind = source_kind(image)
    if kind != "scene":
        what = {"folder": "a folder", "glob": "a pattern", "manifest": "a list"}[kind]
        other = "segsr infer-dir does folders" if kind == "folder" else "segsr upscale does that"
        raise ConfigError(f"--input_img {image}: is {what}; {other}.")
    is_file = not os.path.isdir(output) and ending_problem(Path(output)) is None
    return find_tasks(image, output if is_file else os.path.join(output, ""), suffix=suffix_like, options=options)


def folder_tasks(folder: str, output: str, *, options: Mapping[str, Any]) -> list[SceneTask]:
    """Say what the images of a folder become, those of its folders, too.

    Args:
        folder: The folder.
        output: Another one, outside of it.
        options: Keyword arguments of :func:`~segsr_arch.scenes.upscale`.

    Raises:
        DataError: If there is none, it has no images, or two would become one.
        ConfigError: If it is no folder, or the other one lies in it.
    """
    if not os.path.isdir(folder):
        if os.path.exists(folder):
            raise ConfigError(f"--image_dir {folder}: is a file; segsr infer does one image.")
        raise DataError(f"--image_dir: {missing(folder)}.")
    return find_tasks(folder, output, suffix=suffix_like, options=options)


def with_captions(tasks: Sequence[SceneTask], captions: str | os.PathLike[str], *, folder: str) -> list[SceneTask]:
    """Give each image its caption of a file.

    Args:
        tasks: The images.
        captions: A caption file, see :mod:`segsr_arch.captions.files`.
        folder: From where images are named, as data sets name them.

    Raises:
        DataError: If the file cannot be read, or an image has no caption in it.
    """
    known = read_captions(captions)
    names = [composed(PurePath(os.path.relpath(task.src, folder)).with_suffix("").as_posix()) for task in tasks]
    check_captions(known, names, path=captions)
    return [
        replace(task, options={**task.options, "caption": known[name]}) for task, name in zip(tasks, names, strict=True)
    ]


def with_samples(tasks: Sequence[SceneTask], samples: int, *, first: int) -> list[SceneTask]:
    """Draw several samples of each image: ``NAME_seed3.png``, ``NAME_seed4.png`` and so on.

    Args:
        tasks: The images.
        samples: How many.
        first: The seed of the first; each further one has the next.
    """
    return [
        replace(
            task,
            dst=task.dst.with_name(f"{task.dst.stem}_seed{seed}{task.dst.suffix}"),
            options={**task.options, "seed": seed},
        )
        for task in tasks
        for seed in range(first, first + samples)
    ]


def resolve_for_images(*, scale: int | None, drawing: Drawing, told: Sequence[str], **network: Any) -> ResolvedModel:
    """Load a network, and see that it is one that was meant, before the first image.

    Args:
        scale: The scale that is expected; ``None`` takes any.
        drawing: Of the kind of what it will be told.
        told: The arguments that say so.
        network: Keyword arguments of :func:`~segsr_arch.scenes.network.models.resolve_model`.

    Raises:
        ConfigError: If it has another scale, or cannot be told that, or what ``resolve_model`` raises.
        DependencyError: See there.
        CheckpointError: See there.
    """
    resolved = resolve_model(**network, default_scale=scale)
    model = resolved.model
    if scale is not None and scale != model.scale:
        raise ConfigError(
            f"--upscale {scale}: {model.name} enlarges {model.scale} times. Give --upscale {model.scale}, or a network "
            f"of scale {scale} by -opt or --model."
        )
    with_drawing(model, drawing, told=told)
    return resolved
