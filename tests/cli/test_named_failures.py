"""Whatever fails in a data loader or a validation names its file; the state is saved, and the run goes on from it."""

import numpy as np
import pytest
import torch
from basicsr.archs.srresnet_arch import MSRResNet
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.utils.registry import METRIC_REGISTRY

from tests.cli.runs import largest_difference, make_options, make_pairs, network, run_here, write_options
from tests.support import make_image, write_image

TRAIN = ["train", "-opt", "tiny.yml"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    # after an error, torch waits that many seconds for each worker to end; the default is 5
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.2)
    make_pairs(tmp_path)
    return tmp_path


def failing_at(name, phase, error, times):
    """A ``__getitem__`` of paired data that fails at the image of a name, the given number of times."""
    read, left = PairedImageDataset.__getitem__, [times]

    def __getitem__(self, index):
        if self.opt["phase"] == phase and name in self.paths[index]["gt_path"] and left[0] > 0:
            left[0] -= 1
            raise error
        return read(self, index)

    return __getitem__


def log_of(folder):
    (log,) = (folder / "experiments/tiny").glob("train_*.log")
    return log.read_text()


def states(folder):
    return sorted(int(path.stem) for path in (folder / "experiments/tiny/training_states").glob("*.state"))


@pytest.mark.parametrize(("workers", "prefetch"), [(0, None), (0, "cpu"), (1, None), (1, "cpu")])
def test_sample_that_cannot_be_made(folder, monkeypatch, capfd, workers, prefetch):
    write_options(folder, make_options(folder, iterations=8, workers=workers, prefetch=prefetch))
    failing = failing_at("HR/05.png", "train", RuntimeError("no such band\nmore"), times=1)
    with monkeypatch.context() as context:
        context.setattr(PairedImageDataset, "__getitem__", failing)
        assert run_here(TRAIN, monkeypatch, folder) == 2
    told = capfd.readouterr().err
    assert "Traceback" not in told
    last = told.splitlines()[-1]
    assert last.startswith("error: pairs: sample 5, of ") and last.endswith(": RuntimeError: no such band")
    assert str(folder / "HR/05.png") in last and str(folder / "LR/05.png") in last
    log = log_of(folder)
    assert "Traceback" in log and "in __getitem__" in log and "no such band" in log
    if states(folder):  # the image came after the first iteration
        assert f"Stopped by an error after iteration {states(folder)[-1]}. State saved" in told
        assert "Resume with: basicsr train --auto_resume -opt tiny.yml" in told


def test_the_run_goes_on_from_the_state_that_was_saved(folder, monkeypatch, tmp_path_factory):
    write_options(folder, make_options(folder, iterations=12))
    failing = failing_at("HR/", "train", RuntimeError("gone for now"), times=1)
    reads = [0]
    read = PairedImageDataset.__getitem__

    def later(self, index):
        reads[0] += 1
        return failing(self, index) if reads[0] == 8 else read(self, index)

    with monkeypatch.context() as context:
        context.setattr(PairedImageDataset, "__getitem__", later)
        assert run_here(TRAIN, monkeypatch, folder) == 2
    assert states(folder) == [3]  # batches of two
    assert run_here([*TRAIN, "--auto_resume"], monkeypatch, folder) == 0
    other = tmp_path_factory.mktemp("whole")
    make_pairs(other)
    write_options(other, make_options(other, iterations=12))
    assert run_here(TRAIN, monkeypatch, other) == 0
    assert largest_difference(network(folder, "latest"), network(other, "latest")) == 0


def test_samples_that_make_no_batch(folder, monkeypatch, capfd):
    write_options(folder, make_options(folder, iterations=4))
    read = PairedImageDataset.__getitem__

    def of_different_sizes(self, index):
        item = read(self, index)
        return {**item, "lq": item["lq"][..., : 8 - index]}

    monkeypatch.setattr(PairedImageDataset, "__getitem__", of_different_sizes)
    assert run_here(TRAIN, monkeypatch, folder) == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: no batch can be made, of {folder}") and "stack expects each tensor" in last
    assert last.count(".png") >= 3


@pytest.mark.parametrize("model", ["SRModel", "SeGSRModel"])
def test_metric_that_fails_names_the_image(folder, monkeypatch, capfd, model):
    calls = []

    def calculate_brittle(img, img2, **kwargs):
        calls.append(img.shape)
        if len(calls) == 4:  # the first is the option check's
            raise np.linalg.LinAlgError("SVD did not converge")
        return 1.0

    monkeypatch.setitem(METRIC_REGISTRY._obj_map, "calculate_brittle", calculate_brittle)
    opt = make_options(folder, iterations=4, val_freq=2)
    opt["model_type"], opt["val"]["metrics"] = model, {"brittle": {"type": "calculate_brittle"}}
    write_options(folder, opt)
    assert run_here(TRAIN, monkeypatch, folder) == 2
    told = capfd.readouterr().err
    assert "Traceback" not in told
    last = told.splitlines()[-1]
    assert last.startswith("error: few: validation failed, of ") and "HR/02.png" in last
    assert last.endswith("LinAlgError: SVD did not converge")
    assert states(folder) == [2] and "Traceback" in log_of(folder)


def test_network_that_fails_in_a_test_names_the_image(folder, monkeypatch, capfd):
    opt = make_options(folder, val_freq=2)
    opt = {key: opt[key] for key in ("name", "model_type", "scale", "num_gpu", "network_g", "path", "datasets", "val")}
    del opt["datasets"]["train"]
    opt["datasets"] = {"test": opt["datasets"]["val"]}
    opt["val"] = {"save_img": False, "suffix": None, "metrics": None}
    write_options(folder, opt)
    write_image(folder / "HR/04.png", make_image(4, 20, 20))
    write_image(folder / "LR/04.png", make_image(4, 10, 10))
    forward = MSRResNet.forward

    def out_of_memory(self, x):
        if x.shape[-1] == 10 and not x.is_meta:
            raise torch.OutOfMemoryError("tried to allocate 80 GiB")
        return forward(self, x)

    monkeypatch.setattr(MSRResNet, "forward", out_of_memory)
    assert run_here(["test", "-opt", "tiny.yml"], monkeypatch, folder) == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert "HR/04.png" in last and last.endswith("OutOfMemoryError: tried to allocate 80 GiB")


def test_what_is_wrong_in_a_step_is_not_saved_and_its_traceback_is_kept(folder, monkeypatch):
    write_options(folder, make_options(folder, iterations=4))
    forward, passes = MSRResNet.forward, []

    def broken(self, x):
        passes.append(x.is_meta)
        if passes.count(False) == 2:
            raise ArithmeticError("a mistake in the code")
        return forward(self, x)

    monkeypatch.setattr(MSRResNet, "forward", broken)
    with pytest.raises(ArithmeticError, match="a mistake in the code"):
        run_here(TRAIN, monkeypatch, folder)
    assert states(folder) == [] and "ArithmeticError: a mistake in the code" in log_of(folder)
