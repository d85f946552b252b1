"""What is said of ``train:`` before a training."""

import pytest

from segsr_arch.config.problems import Problems
from segsr_arch.config.training import check_training

VGG = {"type": "PerceptualLoss", "layer_weights": {"conv5_4": 1}}


def lines(train, *, strict=True):
    problems = Problems()
    check_training(problems, train, strict=strict)
    return problems.lines


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ({"loss_weight": 1.0}, "pixel_opt:type: is missing; expected the name of a registered loss"),
        ({**VGG, "vgg_type": "vgg18"}, "pixel_opt:vgg_type: 'vgg18' is no VGG network; did you mean vgg1"),
        ({**VGG, "layer_weights": ["conv5_4"]}, "pixel_opt:layer_weights: expected "),
        ({**VGG, "layer_weights": {"conv5_5": 1}}, "pixel_opt:layer_weights:conv5_5: vgg19 has no such layer"),
        (
            {**VGG, "layer_weights": {"conv5_4": "much"}},
            "pixel_opt:layer_weights:conv5_4: expected a number, got 'much'",
        ),
        ({**VGG, "criterion": "l3"}, "pixel_opt:criterion: expected l1 or l2 or fro"),
    ],
)
def test_a_loss_that_cannot_be_built_is_told_by_its_key(loss, said):
    (line,) = lines({"pixel_opt": loss})
    assert line.startswith(f"train:{said}")


def test_layers_of_a_network_with_batch_normalization_are_known_by_their_names():
    layers = {"type": "PerceptualLoss", "vgg_type": "vgg19_bn", "layer_weights": {"bn5_4": 1, "conv5_4": 0.5}}
    assert lines({"pixel_opt": layers}) == []
    (line,) = lines({"pixel_opt": {**layers, "vgg_type": "vgg19"}})
    assert line.startswith("train:pixel_opt:layer_weights:bn5_4: vgg19 has no such layer")


def test_weights_of_a_perceptual_loss_that_are_cut_short_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub/checkpoints/vgg19-dcbb9e9d.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"PK\x03\x04 and no more")
    (line,) = lines({"perceptual_opt": VGG})
    assert line.startswith("train:perceptual_opt: its weights cannot be loaded. ") and str(file) in line


@pytest.mark.parametrize(
    ("key", "options", "known"),
    [
        ("optim_g", {"type": "MadeElsewhere", "lr": 0.1}, "an optimizer of torch.optim"),
        ("scheduler", {"type": "MadeElsewhere"}, "a scheduler of BasicSR"),
    ],
)
def test_what_a_model_of_others_builds_by_itself_may_have_any_name(key, options, known):
    assert lines({key: options}, strict=False) == []
    (line,) = lines({key: options})
    assert line.startswith(f"train:{key}:type: 'MadeElsewhere' is not {known}")


def test_what_a_model_of_others_calls_a_loss_may_have_no_type():
    assert lines({"my_opt": {"strength": 1}}, strict=False) == []


def test_restarts_and_their_weights_go_together():
    restarts = {"type": "MultiStepRestartLR", "milestones": [2], "restarts": [0, 4], "restart_weights": [1]}
    assert lines({"scheduler": restarts}) == [
        "train:scheduler:restart_weights: needs as many entries as restarts (2), has 1"
    ]
    (line,) = lines({"scheduler": {**restarts, "restart_weights": 1}})
    assert line.startswith("train:scheduler:restart_weights: expected ")
