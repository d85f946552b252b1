"""Any metric of pyiqa (NIQE, MUSIQ and the like) by its name there; an optional package with a licence of its own."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from segsr_arch.errors import ConfigError, DataError, DependencyError, WeightsError, first_line
from segsr_arch.known_names import nearest_hint
from segsr_arch.metrics.entries import MetricEntry
from segsr_arch.metrics.metric import Better, Compute, Metric, Needs

logger = logging.getLogger(__name__)

PREFIX = "pyiqa:"
DESCRIPTION = "any metric of pyiqa (pip install 'segsr-arch[iqa]'; its licence is not commercial)."
LICENCE_NOTICE = (
    "pyiqa is under the PolyForm Noncommercial License 1.0.0 (parts under the S-Lab License): commercial use is not "
    "allowed, and its metrics' weights may have further terms."
)


@cache
def _say_licence_once() -> None:
    logger.warning("LICENCE: %s", LICENCE_NOTICE)


def _import() -> Any:
    try:
        import pyiqa
        import pyiqa.default_model_configs
    except ImportError as error:
        raise DependencyError(
            f"metrics named {PREFIX}NAME need pyiqa ({error}). Install it with: pip install 'segsr-arch[iqa]'. "
            f"Note: {LICENCE_NOTICE}"
        ) from error
    return pyiqa


def find_pyiqa_metric(name: str) -> Metric:
    """Describe a metric of pyiqa.

    Args:
        name: ``pyiqa:`` and the name that pyiqa has for it, such as ``pyiqa:niqe``.

    Returns:
        The metric, with what pyiqa says of it.

    Raises:
        ConfigError: If pyiqa has no such metric, or the metric compares folders.
        DependencyError: If pyiqa is not installed.
    """
    short = name.removeprefix(PREFIX)
    known = _import().default_model_configs.DEFAULT_CONFIGS
    if short not in known:
        raise ConfigError(f"metric {name!r}: pyiqa has no metric {short!r}{nearest_hint(short, known)}")
    settings = known[short]
    if "fid" in short or short == "inception_score":
        raise ConfigError(f"metric {name!r}: compares whole folders; use kid, which is for sets of images")
    return _member(
        short,
        "lower" if settings.get("lower_better", False) else "higher",
        "gt" if settings.get("metric_mode") == "FR" else "nothing",
    )


def _load(*, device: torch.device, metric: str) -> tuple[str, Compute]:
    pyiqa = _import()
    _say_licence_once()
    try:
        measure = pyiqa.create_metric(metric, device=device)
    except Exception as error:  # pyiqa fetches weights from several places, each with its own kinds of errors
        raise WeightsError(
            f"{PREFIX}{metric}: pyiqa cannot load it ({first_line(error)}). Most of its metrics fetch weights on first "
            f"use: run it once on a machine with a network and copy its cache here."
        ) from error

    def compute(*images: Tensor) -> float:
        try:
            return float(measure(*images))
        except (AssertionError, ValueError, RuntimeError) as error:  # mostly: smaller than this metric's windows
            height, width = images[0].shape[2:]
            raise DataError(
                f"{PREFIX}{metric}: cannot measure an image of {height} x {width} pixels ({first_line(error)})."
            ) from error

    return f"pyiqa {pyiqa.__version__}", compute


_FAMILY = Metric(
    name="pyiqa",
    title="pyiqa",
    better="higher",
    needs="nothing",
    reads="RGB",
    trial_side=288,  # some need several blocks of 96 pixels
    description=DESCRIPTION,
    licence_notice=LICENCE_NOTICE,
    loader=_load,
)


@cache  # the same object each time, under which its networks are kept
def _member(short: str, better: Better, needs: Needs) -> Metric:
    return replace(
        _FAMILY,
        name=f"{PREFIX}{short}",
        title=short.upper(),
        better=better,
        needs=needs,
        description=f"{short} of pyiqa.",
        loader=partial(_load, metric=short),
    )


def _named_in(options: Mapping[str, Any]) -> Metric:
    if "metric" not in options:
        raise ConfigError("calculate_pyiqa: needs metric, the name of a metric of pyiqa")
    return find_pyiqa_metric(f"{PREFIX}{options['metric']}")


ENTRY = MetricEntry(_FAMILY, describe=_named_in)
