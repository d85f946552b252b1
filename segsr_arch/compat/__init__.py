"""Repairs of stock BasicSR 1.4.2, from outside: the only place that touches it.

Each repair has a function of its own, whose docstring names the cause. It is applied once, only to version 1.4.2,
and only while the broken function is still there; a mended fork keeps its own.
"""

import importlib.util
import re
import sys
import warnings
from pathlib import Path

from segsr_arch.compat.cpu_models import (
    repair_deformable_alignment,
    repair_degrading_models,
    repair_fused_activation,
    repair_video_validation,
)
from segsr_arch.compat.distributed import repair_init_dist, repair_model_to_device
from segsr_arch.compat.extras import repair_fid, repair_jpeg_quality, repair_wandb
from segsr_arch.compat.functional_tensor import repair_functional_tensor
from segsr_arch.compat.images import repair_images
from segsr_arch.compat.library_loading import repair_library_loading
from segsr_arch.compat.lists import repair_folder_reading, repair_list_reading
from segsr_arch.compat.lmdb_environments import repair_lmdb_sharing
from segsr_arch.compat.loading import repair_load_network
from segsr_arch.compat.named_failures import repair_sample_errors, repair_validation_errors
from segsr_arch.compat.optimizers import repair_get_optimizer
from segsr_arch.compat.options import repair_parse_options
from segsr_arch.compat.prefetch import repair_double_iterator, repair_prefetch_errors
from segsr_arch.compat.progress_bars import repair_progress_bars
from segsr_arch.compat.registration import repair_registries
from segsr_arch.compat.resume import repair_resume
from segsr_arch.compat.saving import repair_saving
from segsr_arch.compat.tensor_images import repair_tensor2img
from segsr_arch.compat.training_runs import repair_epoch_count, repair_sample_order, repair_training_models
from segsr_arch.compat.workers import repair_spawned_workers
from segsr_arch.errors import DependencyError

VERSION = "1.4.2"

REPAIRS = {
    "functional_tensor": repair_functional_tensor,  # first: basicsr cannot be imported without it
    "library_loading": repair_library_loading,
    "registries": repair_registries,
    "spawned_workers": repair_spawned_workers,
    "resume": repair_resume,
    "sample_order": repair_sample_order,
    "epoch_count": repair_epoch_count,
    "training_models": repair_training_models,
    "prefetch_errors": repair_prefetch_errors,
    "double_iterator": repair_double_iterator,
    "images": repair_images,
    "tensor2img": repair_tensor2img,
    "sample_errors": repair_sample_errors,
    "validation_errors": repair_validation_errors,
    "lmdb_sharing": repair_lmdb_sharing,
    "list_reading": repair_list_reading,
    "folder_reading": repair_folder_reading,
    "jpeg_quality": repair_jpeg_quality,
    "fid": repair_fid,
    "wandb": repair_wandb,
    "init_dist": repair_init_dist,
    "model_to_device": repair_model_to_device,
    "parse_options": repair_parse_options,
    "get_optimizer": repair_get_optimizer,
    "saving": repair_saving,
    "progress_bars": repair_progress_bars,
    "load_network": repair_load_network,
    "degrading_models": repair_degrading_models,
    "video_validation": repair_video_validation,
    "fused_activation": repair_fused_activation,
    "deformable_alignment": repair_deformable_alignment,
}

_status = {}


def apply():
    """Repair BasicSR in this process; later calls do nothing.

    Returns:
        Names of the repairs that were applied in this process: keys of ``REPAIRS``, less those that were not needed.

    Raises:
        DependencyError: If ``distutils``, which BasicSR imports, is missing with setuptools.
    """
    if not _status:
        version = _basicsr_version()
        if version != VERSION:
            _status.update(dict.fromkeys(REPAIRS, False))
            warnings.warn(
                f"basicsr {version} is installed; the repairs of segsr_arch are for {VERSION} and were left out. "
                f'If something fails, run: "{sys.executable}" -m pip install basicsr=={VERSION}',
                RuntimeWarning,
                stacklevel=2,
            )
            return []
        try:
            for name, repair in REPAIRS.items():
                _status[name] = repair()
        except ModuleNotFoundError as error:
            _status.clear()
            if error.name != "distutils":
                raise
            raise DependencyError(
                f"basicsr imports distutils, which Python has dropped and setuptools provides. Run: "
                f'"{sys.executable}" -m pip install setuptools'
            ) from error
    return [name for name, applied in _status.items() if applied]


def status():
    """What became of each repair: a dictionary of name to whether it was applied (empty before :func:`apply`)."""
    return dict(_status)


def _basicsr_version():
    """Version of basicsr, without importing it if it is not yet: the import may be what is broken."""
    if "basicsr.version" in sys.modules:
        return sys.modules["basicsr.version"].__version__
    folder = importlib.util.find_spec("basicsr").submodule_search_locations[0]
    text = Path(folder, "version.py").read_text(encoding="utf-8")
    return re.search(r"__version__ = ['\"](.+)['\"]", text)[1]
