"""Where memory runs out in training or in a test, a sentence names what to change."""

import copy

import pytest
import torch
from basicsr.models import build_model

from segsr_arch.cli.segsr import main
from segsr_arch.errors import NotEnoughMemoryError
from segsr_arch.evaluation.trained_network import load_trained
from tests.evaluation.test_trained_network import write_test_options
from tests.models.tiny import batch, tiny_options
from tests.support import TINY_MSSD

NETWORK = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "upscale": 2}


def fail(*_, **__):
    raise torch.OutOfMemoryError("CUDA out of memory.\nMore.")


def trained(root, **more):
    return build_model(copy.deepcopy(tiny_options(root, network=dict(NETWORK), model_type="TrainingModel", **more)))


@pytest.mark.parametrize("place", ["network", "gradients", "optimizer"])
def test_a_step_that_does_not_fit_names_the_options_of_training(tmp_path, monkeypatch, place):
    model = trained(tmp_path, train={"accumulate": 2})
    model.feed_data(batch())
    owner, name = {
        "network": (model.net_g, "forward"),
        "gradients": (torch.autograd, "backward"),
        "optimizer": (model.optimizer_g, "step"),
    }[place]
    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(NotEnoughMemoryError) as told:
        model.optimize_parameters(1)
    assert str(told.value) == (
        "memory does not suffice for a step on 2 images of 32 x 32 HR pixels at once: raise train: accumulate (now 2; "
        "the batch is computed in so many parts), lower batch_size_per_gpu or gt_size of datasets: train, or set "
        "train: amp: bf16 (OutOfMemoryError: CUDA out of memory.)."
    )


@pytest.mark.parametrize(
    ("tile", "message"),
    [
        (None, r"for an LR image of 16 x 12 at once: set tile: \{size: 8, overlap: 2\} \(OutOf"),
        ({"size": 8, "overlap": 2}, r"for tiles of 8 LR pixels, 1 at once: lower tile: size or batch"),
    ],
)
def test_an_image_that_does_not_fit_names_the_options_of_tiles(tmp_path, monkeypatch, tile, message):
    model = trained(tmp_path, is_train=False, tile=tile)
    model.feed_data({"lq": torch.rand(1, 3, 12, 16)})
    monkeypatch.setattr(model.net_g, "forward", fail)
    with pytest.raises(NotEnoughMemoryError, match=message):
        model.test()


def test_other_errors_stay_what_they_are(tmp_path, monkeypatch):
    model = trained(tmp_path)
    model.feed_data(batch())
    monkeypatch.setattr(type(model.net_g), "forward", lambda *_: (_ for _ in ()).throw(RuntimeError("shapes")))
    for run in (model.test, lambda: model.optimize_parameters(1)):
        with pytest.raises(RuntimeError, match="^shapes$"):
            run()


def test_an_evaluation_goes_on_with_images_that_fit_and_names_the_others(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = str(write_test_options(tmp_path, network=dict(NETWORK), model_type="TrainingModel"))
    network = type(load_trained(path).network)
    forward, calls = network.forward, []

    def sometimes(self, lq):
        calls.extend([] if lq.is_meta else [lq])  # an outline tells whether it takes the sizes at all
        return fail() if len(calls) == 2 else forward(self, lq)

    monkeypatch.setattr(network, "forward", sometimes)
    assert main(["evaluate", "-opt", path, "--metric", "psnr", "--no-cost"]) == 1
    told = "".join(capsys.readouterr())
    assert "im1: memory does not suffice for an LR image of 16 x 16 at once: set tile:" in told and len(calls) == 5


def test_a_diffusion_network_says_itself_what_to_change(tmp_path, monkeypatch):
    network = {"type": "MSSD", **TINY_MSSD, "scale": 2}
    model = build_model(tiny_options(tmp_path, network=network, model_type="DiffusionModel", is_train=False))
    model.feed_data({"lq": torch.rand(1, 3, 12, 16), "gt_path": ["im0.png"]})
    monkeypatch.setattr(model.net_g.unet, "predict_guided", fail)
    with pytest.raises(NotEnoughMemoryError, match="MSSD: memory does not suffice for one image"):
        model.test()
