"""Rows 2, 3 and 14, second half: resume on any device, from the right folder, past a broken state, with the images
that come next.
"""

import logging
from pathlib import Path

from segsr_arch.atomic import partial_files
from segsr_arch.compat.loading import UnsafeCheckpointError, read_checkpoint
from segsr_arch.compat.patching import is_stock, substitute
from segsr_arch.errors import CheckpointError

# Not get_root_logger(): it would leave the coming training without a log file.
logger = logging.getLogger(__name__)

STATE_KEYS = {"epoch", "iter", "optimizers", "schedulers"}
# Epoch and iteration that were resumed in this process, and the batch size; BasicSR trains one network a process.
_resumed = {}
_sample_epoch = None  # of the stock sampler


def load_resume_state(opt):
    """Find and read the training state to go on from; takes the place of ``basicsr.train.load_resume_state``.

    With ``--auto_resume`` that is the newest whole one in ``experiments/NAME/training_states``; one is whole if it
    can be read, and the networks saved with it, too. Otherwise it is ``path: resume_state``.

    Args:
        opt: Parsed options. ``path: resume_state`` and ``path: pretrain_network_*`` are set in place.

    Returns:
        The state, or None to start at iteration 0.

    Raises:
        CheckpointError: If ``path: resume_state`` cannot be used, or there are states, but none is whole.
    """
    from basicsr.utils import check_resume

    _resumed.clear()
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
    check_resume(opt, state["iter"])
    _go_on_with_the_data(opt, state)
    return state


def _go_on_with_the_data(opt, state):
    """Begin after the images that the interrupted run has seen in its epoch, and draw other crops and flips than it."""
    from basicsr.utils import set_random_seed

    batch = opt.get("datasets", {}).get("train", {}).get("batch_size_per_gpu")
    if batch:
        _resumed.update(epoch=state["epoch"], iter=state["iter"], batch=batch)
    if opt.get("manual_seed") is not None:
        opt["manual_seed"] += state["iter"]  # the loaders of the training are seeded by it
        set_random_seed(opt["manual_seed"] + opt.get("rank", 0))


def sample_from_where_it_stopped(sampler):
    """Iterate over the samples of an epoch, without those that were seen before the run was resumed within it.

    Takes the place of ``EnlargedSampler.__iter__``, whose order depends on the epoch alone.
    """
    samples = list(_sample_epoch(sampler))
    if _resumed and sampler.epoch == _resumed["epoch"]:
        batches = _resumed["iter"] - _resumed["epoch"] * (len(samples) // _resumed["batch"])
        samples = samples[max(batches, 0) * _resumed["batch"] :]
    return iter(samples)


def _newest_whole_state(opt):
    """(path, state) of the newest state that can be used, or None if there are no states at all."""
    folder = Path(opt["path"]["training_states"])
    states = sorted((path for path in folder.glob("*.state") if path.stem.isdigit()), key=lambda path: int(path.stem))
    _remove_partial_files(opt)
    for path in reversed(states):
        try:
            return path, _read_whole_state(path, opt)
        except UnsafeCheckpointError:  # nothing that an interrupted save leaves; someone should look at it
            raise
        except CheckpointError as error:
            logger.warning("--auto_resume skips %s: %s", path, error)
    if states:
        raise CheckpointError(
            f"--auto_resume: none of the {len(states)} states in {folder} can be used (reasons above). Put back a "
            f"whole {states[-1].name} with its network files, or move {folder.parent} away to start at iteration 0."
        )
    return None


def _read_whole_state(path, opt):
    """Read a state, and make sure that the networks saved with it can be read, too."""
    state = read_checkpoint(path)
    if not (isinstance(state, dict) and state.keys() >= STATE_KEYS):
        raise CheckpointError(f"{path} is no training state: it lacks some of {', '.join(sorted(STATE_KEYS))}.")
    ignored = opt["path"].get("ignore_resume_networks") or ()
    for key in opt:
        if key.startswith("network_") and key not in ignored:
            name = f"net_{key.removeprefix('network_')}_{state['iter']}.pth"
            try:
                read_checkpoint(Path(opt["path"]["models"], name))
            except UnsafeCheckpointError:
                raise
            except CheckpointError as error:
                raise CheckpointError(f"{path} cannot be resumed without its network. {error}") from error
    return state


def _remove_partial_files(opt):
    """Remove what saves that were killed have left behind; the run that wrote them is the one to be resumed."""
    from basicsr.utils.dist_util import get_dist_info

    if get_dist_info()[0] == 0:
        for folder in (opt["path"]["training_states"], opt["path"]["models"]):
            for path in partial_files(Path(folder, "*")):
                path.unlink(missing_ok=True)


def repair_resume():
    """Resume without a GPU, from where states are saved, and past a broken newest state.

    Cause: ``basicsr.train.load_resume_state`` loads to ``torch.cuda.current_device()``, looks for states below the
    working directory although they are saved below the root path, and takes the newest file, whole or not. When it
    finds none, training restarts at 0 and the old run's folder is renamed. And a resumed run begins its epoch again
    with the same seed: it would train on the same crops of the same images twice, and on others never.

    Returns:
        True if it was stock.
    """
    import basicsr.train
    from basicsr.data.data_sampler import EnlargedSampler

    global _sample_epoch
    stock = basicsr.train.load_resume_state
    if not is_stock(stock, "current_device"):
        return False
    _sample_epoch = EnlargedSampler.__iter__
    substitute(stock, load_resume_state)
    EnlargedSampler.__iter__ = sample_from_where_it_stopped
    return True
