import copy

import pytest
import torch
from basicsr.archs import build_network
from basicsr.models.sr_model import SRModel
from basicsr.models.swinir_model import SwinIRModel
from basicsr.utils.registry import MODEL_REGISTRY

import segsr_arch  # noqa: F401
from segsr_arch.inference.window_sizes import knowing_window, reads_window_size, window_size_of
from tests.cli.runs import make_options, make_pairs, network, run_here, write_options
from tests.config.paired_options import good_train
from tests.config.test_check import problems
from tests.support import TINY_HAT, TINY_SEMANTICS

SWIN = {"type": "SwinIR", "upscale": 2, "img_size": 16, "window_size": 8, "embed_dim": 12, "depths": [2, 2]}
SWIN |= {"num_heads": [2, 2], "upsampler": "pixelshuffledirect"}
EDSR = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 2, "upscale": 2}


class PaddingModel(SRModel):
    """Looks at the options as the model classes of HAT and others do."""

    def test(self):
        window = self.opt["network_g"]["window_size"]
        height, width = self.lq.shape[-2:]
        padded = torch.nn.functional.pad(self.lq, (0, -width % window, 0, -height % window), "reflect")
        given, self.lq = self.lq, padded
        super().test()
        self.lq = given
        scale = self.opt["scale"]
        self.output = self.output[..., : scale * height, : scale * width]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"type": "SeGSR", "upscale": 2}, 1),  # pads by itself
        ({"type": "SeGSR", "window_size": 8}, 8),
        ({"type": "SemanticSR", "base": SWIN}, 1),
        ({"type": "InferenceForm", "network": {"type": "SeGSR"}}, 1),
        ({"type": "InferenceForm", "network": SWIN}, 8),
        ({"type": "spandrel/SwinIR"}, 7),
        ({"type": "Bicubic"}, 1),
        (EDSR, None),
        ({"type": "Unknown"}, None),
    ],
)
def test_window(options, size):
    assert window_size_of(options) == size


def test_the_network_is_built_from_what_its_options_hold():
    options = copy.deepcopy(knowing_window({"type": "SemanticSR", "base": EDSR, "semantics": TINY_SEMANTICS}))
    assert options["window_size"] == 1 and "window_size" not in {**options}
    with pytest.raises(KeyError, match="win_size"):
        options["win_size"]
    build_network(options)


def test_who_reads_it():
    assert reads_window_size(SwinIRModel) and reads_window_size(PaddingModel)
    assert not reads_window_size(SRModel)


@pytest.mark.parametrize("model", ["SwinIRModel", "PaddingModel"])
@pytest.mark.parametrize("base", [{"type": "SeGSR", "upscale": 2, **TINY_HAT}, {"type": "SemanticSR", "base": SWIN}])
def test_model_classes_of_others_validate_guided_networks(tmp_path, monkeypatch, model, base):
    monkeypatch.setitem(MODEL_REGISTRY._obj_map, "PaddingModel", PaddingModel)
    make_pairs(tmp_path)
    opt = make_options(tmp_path, iterations=2, val_freq=1)
    opt |= {"model_type": model, "network_g": {**base, "semantics": TINY_SEMANTICS}}
    opt["network_g"].pop("window_size", None)
    write_options(tmp_path, opt)
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, tmp_path) == 0
    assert network(tmp_path, "latest")
    (log,) = (tmp_path / "experiments/tiny").glob("train_*.log")
    assert "Validation few" in log.read_text()


def test_a_network_without_a_window_is_refused_with_the_model_class_to_use(tmp_path):
    opt = {**good_train(tmp_path), "model_type": "SwinIRModel"}
    (line,) = problems(opt)
    assert "model_type: SwinIRModel reads network_g: window_size, which MSRResNet does not have" in line
    assert "SeGSRModel" in line
