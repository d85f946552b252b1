import pytest
import torch

from segsr_arch.compat.repairs.get_optimizer import optimizer_names
from segsr_arch.errors import ConfigError
from tests.compat.test_resume import make_model


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path)


def parameters():
    return [torch.nn.Parameter(torch.ones(2, 2))]


def test_stock_knows_adam_only(model, stock):
    with pytest.raises(NotImplementedError):
        stock("basicsr.models.base_model").BaseModel.get_optimizer(model, "AdamW", parameters(), 1e-3)


@pytest.mark.parametrize("name", optimizer_names())
def test_every_optimizer_is_built_by_name(model, name):
    optimizer = model.get_optimizer(name, parameters(), 1e-3)
    assert type(optimizer) is getattr(torch.optim, name)
    assert optimizer.param_groups[0]["lr"] == 1e-3


def test_arguments_arrive(model):
    optimizer = model.get_optimizer("AdamW", parameters(), 1e-3, betas=[0.9, 0.99], weight_decay=0.5)
    assert tuple(optimizer.param_groups[0]["betas"]) == (0.9, 0.99)
    assert optimizer.param_groups[0]["weight_decay"] == 0.5


@pytest.mark.parametrize("name, nearest", [("AdmaW", "AdamW"), ("adam", "Adam"), ("Optimizer", "known|nearest")])
def test_unknown_name(model, name, nearest):
    with pytest.raises(ConfigError, match=rf"no optimizer '{name}'.*{nearest}"):
        model.get_optimizer(name, parameters(), 1e-3)


def test_unknown_argument(model):
    with pytest.raises(ConfigError, match=r"AdamW takes no 'beta'; nearest: betas"):
        model.get_optimizer("AdamW", parameters(), 1e-3, beta=0.9)
