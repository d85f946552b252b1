"""A training is resumed on any device, from where states are saved, past a broken one, with the options of now.

Symptom: "Found no NVIDIA driver" without a GPU; a training that begins anew although there are states, and whose old
folder is renamed; edited learning rates that take no effect.
Cause: ``basicsr.train.load_resume_state`` loads to ``torch.cuda.current_device()``, looks for states below the working
directory although they are saved below the root path, and takes the newest file, whole or not.
``BaseModel.resume_training`` overwrites learning rate, schedule and optimizer settings with those of the state.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segsr_arch.compat.logger_setup import basicsr_not_set_up
from segsr_arch.compat.patching import is_stock, replace_stock
from segsr_arch.compat.pipeline import PIPELINE
from segsr_arch.errors import CheckpointError, UnsafeWeightsError
from segsr_arch.files.atomic import remove_left_over
from segsr_arch.training.optimizers import resume_optimizers
from segsr_arch.training.refusals import refuse_what_cannot_take_effect
from segsr_arch.training.trained_options import DrawnSeed, edits
from segsr_arch.weights.reading import read_content

# Not get_root_logger(): it would leave the coming training without a log file.
logger = logging.getLogger(__name__)

STATE_KEYS = {"epoch", "iter", "optimizers", "schedulers"}


def repair() -> bool:
    """Read states to the CPU, where they are; take settings from the option file."""
    import basicsr.train
    from basicsr.models.base_model import BaseModel

    broken = is_stock(basicsr.train.load_resume_state, "current_device")
    if not (broken and replace_stock(BaseModel, "resume_training", resume_training, uses=("load_state_dict",))):
        return False
    return replace_stock(basicsr.train, "load_resume_state", load_resume_state, uses=())


def load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    """Find and read the training state to go on from; takes the place of ``basicsr.train.load_resume_state``.

    With ``--auto_resume`` that is the newest whole one in ``experiments/NAME/training_states``; one is whole if it
    can be read, and the networks saved with it, too. Otherwise it is ``path: resume_state``.

    Args:
        opt: Parsed options. ``path: resume_state`` and ``path: pretrain_network_*`` are set in place.

    Returns:
        The state, or None to start at iteration 0.

    Raises:
        CheckpointError: If ``path: resume_state`` cannot be used, or there are states, but none is whole.
        ConfigError: If an option was edited that cannot take effect in a resumed training.
    """
    from basicsr.utils import check_resume

    PIPELINE.begin(None)
    found = _newest_whole_state(opt) if opt.get("auto_resume") else None
    if found is None:
        given = opt["path"].get("resume_state")
        if not given:
            return None
        if not Path(given).is_file():
            raise CheckpointError(
                f"path: resume_state names {given}, which does not exist. States are saved as "
                f"{Path(opt['path']['training_states'], '<iteration>.state')}; --auto_resume picks the newest."
            )
        found = Path(given), _read_whole_state(Path(given), opt)
    path, state = found
    opt["path"]["resume_state"] = str(path)
    _keep_drawn_seed(opt, state)
    with basicsr_not_set_up():
        refuse_what_cannot_take_effect(opt, state, path)
    check_resume(opt, state["iter"])
    PIPELINE.begin(state)
    return state


def _keep_drawn_seed(opt: dict[str, Any], state: Mapping[str, Any]) -> None:
    """Go on with the seed that was drawn for the training, where the option file still names none."""
    seed = (state.get("options") or {}).get("manual_seed")
    if seed is not None and isinstance(opt.get("manual_seed"), DrawnSeed):
        opt["manual_seed"] = seed


def resume_training(self: Any, resume_state: Mapping[str, Any]) -> None:
    """Take optimizers and schedulers from a training state; takes the place of ``BaseModel.resume_training``.

    Args:
        self: The model, just built.
        resume_state: Training state.

    Raises:
        CheckpointError: If it is the state of other optimizers.
    """
    run, saved = getattr(self, "training_run", None), resume_state.get("options")
    edited = False
    if run is not None:  # a model that was built in another way does not know the options
        edited = saved is None or any(edit.key.startswith("train:") for edit in edits(saved, run.options))
    resume_optimizers(self, resume_state, rates_edited=edited)


def _newest_whole_state(opt: Mapping[str, Any]) -> tuple[Path, dict[str, Any]] | None:
    """(path, state) of the newest state that can be used, or None if there are no states at all."""
    folder = Path(opt["path"]["training_states"])
    states = sorted((path for path in folder.glob("*.state") if path.stem.isdigit()), key=lambda path: int(path.stem))
    _remove_partial_files(opt)
    for path in reversed(states):
        try:
            return path, _read_whole_state(path, opt)
        except UnsafeWeightsError:  # nothing that an interrupted save leaves; someone should look at it
            raise
        except CheckpointError as error:
            logger.warning("--auto_resume skips %s: %s", path, error)
    if states:
        raise CheckpointError(
            f"--auto_resume: none of the {len(states)} states in {folder} can be used (reasons above). Put back a "
            f"whole {states[-1].name} with its network files, or move {folder.parent} away to start at iteration 0."
        )
    return None


def _read_whole_state(path: Path, opt: Mapping[str, Any]) -> dict[str, Any]:
    """Read a state, and make sure that the networks saved with it can be read, too."""
    state = read_content(path)
    if not (isinstance(state, dict) and state.keys() >= STATE_KEYS):
        raise CheckpointError(f"{path} is no training state: it lacks some of {', '.join(sorted(STATE_KEYS))}.")
    ignored = opt["path"].get("ignore_resume_networks") or ()
    for key in opt:
        if key.startswith("network_") and key not in ignored:
            name = f"net_{key.removeprefix('network_')}_{state['iter']}.pth"
            try:
                read_content(Path(opt["path"]["models"], name))
            except UnsafeWeightsError:
                raise
            except CheckpointError as error:
                raise CheckpointError(f"{path} cannot be resumed without its network. {error}") from error
    return state


def _remove_partial_files(opt: Mapping[str, Any]) -> None:
    """Remove what saves that were killed have left behind; the run that wrote them is the one to be resumed."""
    from basicsr.utils.dist_util import get_dist_info

    if get_dist_info()[0] == 0:
        for folder in (opt["path"]["training_states"], opt["path"]["models"]):
            remove_left_over(folder)
