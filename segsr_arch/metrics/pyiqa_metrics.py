"""Any metric of pyiqa (NIQE, MUSIQ and the like) by its name there; an optional package with a licence of its own."""

import logging
from functools import lru_cache
from types import ModuleType

from segsr_arch.errors import ConfigError, DataError, DependencyError, WeightsError
from segsr_arch.known_names import nearest_hint
from segsr_arch.metrics.definition import LoadedImageMetric, LoadOptions, MetricDefinition
from segsr_arch.metrics.images import to_tensor

logger = logging.getLogger(__name__)

PREFIX = "pyiqa:"
LICENCE_NOTICE = (
    "pyiqa is under the PolyForm Noncommercial License 1.0.0 (parts under the S-Lab License): commercial use is not "
    "allowed, and its metrics' weights may have further terms."
)
_TRIAL_SIDE = 288  # some of its metrics need several blocks of 96 pixels


@lru_cache(maxsize=1)
def _say_licence_once() -> None:
    logger.warning("LICENCE: %s", LICENCE_NOTICE)


def _import() -> ModuleType:
    try:
        import pyiqa
        import pyiqa.default_model_configs
    except ImportError as error:
        raise DependencyError(
            f"metrics named {PREFIX}NAME need pyiqa ({error}). Install it with: pip install 'segsr-arch[iqa]'. "
            f"Note: {LICENCE_NOTICE}"
        ) from error
    return pyiqa


def find_pyiqa_metric(name: str) -> MetricDefinition:
    """Describe a metric of pyiqa.

    Args:
        name: ``pyiqa:`` and the name that pyiqa has for it, such as ``pyiqa:niqe``.

    Returns:
        The definition, with what pyiqa says of the metric.

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
    return MetricDefinition(
        name=name,
        title=short.upper(),
        better="lower" if settings.get("lower_better", False) else "higher",
        needs="gt" if settings.get("metric_mode") == "FR" else "nothing",
        trial_side=_TRIAL_SIDE,
        description=f"{short} of pyiqa.",
        licence_notice=LICENCE_NOTICE,
        loader=lambda options: _load(short, options),
    )


def _load(short: str, options: LoadOptions) -> LoadedImageMetric:
    pyiqa = _import()
    _say_licence_once()
    try:
        metric = pyiqa.create_metric(short, device=options.device)
    except Exception as error:  # pyiqa fetches weights from several places, each with its own kinds of errors
        raise WeightsError(
            f"{PREFIX}{short}: pyiqa cannot load it ({type(error).__name__}: "
            f"{next(iter(str(error).splitlines()), 'no message')[:200]}). Most of its metrics fetch weights on first "
            f"use: run it once on a machine with a network and copy its cache here."
        ) from error
    full_reference = metric.metric_mode == "FR"

    def compute(sr, gt, lq, scale):
        images = [to_tensor(image, device=options.device) for image in ((sr, gt) if full_reference else (sr,))]
        try:
            return float(metric(*images))
        except (AssertionError, ValueError, RuntimeError) as error:  # mostly: smaller than this metric's windows
            raise DataError(
                f"{PREFIX}{short}: cannot measure an image of {sr.shape[0]} x {sr.shape[1]} pixels "
                f"({type(error).__name__}: {next(iter(str(error).splitlines()), 'no message')[:200]})."
            ) from error

    return LoadedImageMetric(backend=f"pyiqa {pyiqa.__version__}", compute=compute)
