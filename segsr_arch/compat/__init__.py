"""Repairs of stock BasicSR 1.4.2, from outside: the only place that touches it.

Each repair has a function of its own, whose docstring names the cause. It is applied once, and only while the broken
function is still there, whatever the version: programs of this field bring copies of other ones, some of them mended,
most of them cut down to what they use. A mended function stays, one that is not there needs no repair.
"""

import warnings

from segsr_arch.compat.cpu_models import (
    repair_deformable_alignment,
    repair_degrading_models,
    repair_fused_activation,
    repair_video_validation,
)
from segsr_arch.compat.distributed import repair_init_dist, repair_model_to_device
from segsr_arch.compat.extras import repair_colour_conversions, repair_fid, repair_jpeg_quality, repair_wandb
from segsr_arch.compat.functional_tensor import repair_functional_tensor
from segsr_arch.compat.image_saving import repair_image_saving
from segsr_arch.compat.images import repair_images
from segsr_arch.compat.installation import VERSION, describe_another, find_installation, importing_from, repair_version
from segsr_arch.compat.library_loading import repair_library_loading
from segsr_arch.compat.lists import repair_folder_reading, repair_list_reading
from segsr_arch.compat.lmdb_environments import repair_lmdb_sharing
from segsr_arch.compat.loading import repair_load_network
from segsr_arch.compat.named_failures import repair_sample_errors, repair_validation_errors
from segsr_arch.compat.optimizers import repair_get_optimizer
from segsr_arch.compat.option_copy import repair_option_copy
from segsr_arch.compat.options import repair_parse_options, repair_seeds
from segsr_arch.compat.prefetch import repair_double_iterator, repair_prefetch_errors
from segsr_arch.compat.progress_bars import repair_progress_bars
from segsr_arch.compat.registration import repair_registries
from segsr_arch.compat.resume import repair_resume
from segsr_arch.compat.saving import repair_saving
from segsr_arch.compat.tensor_images import repair_tensor2img
from segsr_arch.compat.training_runs import repair_epoch_count, repair_sample_order, repair_training_models
from segsr_arch.compat.workers import repair_orphaned_workers, repair_spawned_workers

REPAIRS = {
    "functional_tensor": repair_functional_tensor,  # first: basicsr cannot be imported without these two
    "version": repair_version,
    "library_loading": repair_library_loading,
    "registries": repair_registries,
    "spawned_workers": repair_spawned_workers,
    "orphaned_workers": repair_orphaned_workers,
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
    "colour_conversions": repair_colour_conversions,
    "jpeg_quality": repair_jpeg_quality,
    "fid": repair_fid,
    "wandb": repair_wandb,
    "init_dist": repair_init_dist,
    "model_to_device": repair_model_to_device,
    "parse_options": repair_parse_options,
    "seeds": repair_seeds,
    "get_optimizer": repair_get_optimizer,
    "saving": repair_saving,
    "image_saving": repair_image_saving,
    "option_copy": repair_option_copy,
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
        DependencyError: If basicsr is not installed, or the one that Python finds cannot be used.
    """
    if not _status:
        used = find_installation()
        with importing_from(used):
            applied = {name: _applied(repair, used) for name, repair in REPAIRS.items()}
        _status.update(applied)
        left_out = [name for name in REPAIRS if not applied[name]]
        text = describe_another(used, repairs=_names_applied(), left_out=left_out)
        if text:
            warnings.warn(text, RuntimeWarning, stacklevel=2)
    return _names_applied()


def _applied(repair, used):
    """Apply a repair; one for a part that another version lacks is not needed there."""
    if used.version == VERSION:
        return repair()
    try:
        return repair()
    except AttributeError:
        return False
    except ImportError as error:
        if f"{error.name}.".startswith("basicsr."):
            return False
        raise


def _names_applied():
    return [name for name, applied in _status.items() if applied]


def status():
    """What became of each repair: a dictionary of name to whether it was applied (empty before :func:`apply`)."""
    return dict(_status)
