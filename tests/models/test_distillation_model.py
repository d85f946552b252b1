import pytest
import torch
from basicsr.models import build_model

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.errors import CheckpointError, ConfigError
from segsr_arch.models.diffusion_model import DiffusionModel
from tests.models.tiny import batch, tiny_options
from tests.support import TINY_MSSD

NETWORK = {"type": "MSSD", "scale": 2, **TINY_MSSD}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A network whose ControlNet says something, and its checkpoint."""
    torch.manual_seed(3)
    network = MSSD(**{name: value for name, value in NETWORK.items() if name != "type"})
    path = tmp_path_factory.mktemp("teacher") / "net_g.pth"
    torch.save({"params": network.state_dict()}, path)
    return network, path


def options_of(root, *, network=None, **train):
    options = tiny_options(
        root,
        network={**NETWORK, "one_pass_guidance": "head", **(network or {})},
        model_type="DistillationModel",
        train={"pixel_opt": None, "caption_dropout": 0.0, **train},
    )
    return options


def test_a_student_starts_as_its_teacher_and_learns_its_guidance(tmp_path, teacher):
    network, path = teacher
    torch.manual_seed(0)
    model = build_model(options_of(tmp_path, teacher=str(path)))
    for name, value in network.state_dict().items():
        if torch.is_tensor(value):
            assert torch.equal(model.net_g.state_dict()[name].cpu(), value), name
    names = set(model.net_g.state_dict())
    count = len(batch(1)["lq"])
    data = batch(1) | {"gt_path": [f"{index}.png" for index in range(count)], "caption": ["red roofs"] * count}
    before = model.net_g.unet.one_pass.difference.weight.clone()
    rest, told = model.optimizer_g.param_groups
    assert (rest["lr"], told["lr"]) == pytest.approx((1e-3, 1e-2))
    assert {id(p) for p in told["params"]} == {id(p) for p in model.net_g.unet.one_pass.parameters()}
    assert len(rest["params"]) + 2 == sum(p.requires_grad for p in model.net_g.parameters())
    model.update_learning_rate(1)
    model.feed_data(data)
    model.optimize_parameters(1)
    assert list(model.get_current_log()) == ["l_guidance"]
    assert not torch.equal(model.net_g.unet.one_pass.difference.weight, before)
    assert set(model.net_g.state_dict()) == names == set(model.net_g_ema.state_dict())
    with pytest.raises(ConfigError, match="datasets: train: has no captions.*caption_file"):
        model.feed_data(batch(1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"one_pass_guidance": None}}, "one_pass_guidance: a student of guidance needs head or embedding"),
        ({"guidance_least": 9.0, "guidance_most": 9.0}, "guidance_least: must be below guidance_most, got 9 and 9"),
        ({"guidance_most": 1.0}, "guidance_most: must be .* above 1"),
        ({"network": {"contrast": {"queue": 2}}}, "contrast: a student learns from its teacher alone; remove it"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path, teacher, changes, message):
    with pytest.raises(ConfigError, match=message):
        build_model(options_of(tmp_path, **{"teacher": str(teacher[1]), **changes}))


def test_without_a_teacher_a_student_can_be_tested_and_not_trained(tmp_path):
    network = {**NETWORK, "one_pass_guidance": "head"}
    options = tiny_options(tmp_path, network=network, model_type="DiffusionModel", train={"pixel_opt": None})
    with pytest.raises(ConfigError, match=r"one_pass_guidance: is learned from a teacher.* model_type: Distillation"):
        DiffusionModel.check_options(options)
    DiffusionModel.check_options({**options, "is_train": False})
    options["network_g"] = NETWORK
    DiffusionModel.check_options(options)


def test_a_teacher_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere.pth"):
        build_model(options_of(tmp_path, teacher="nowhere.pth"))
