import copy

import pytest
import torch
from basicsr.models import build_model

from tests.models.tiny import batch, tiny_options


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, optimizer):
    options = tiny_options(tmp_path, train={"optim_g": {"type": optimizer, "lr": 1e-3}, "lora_lr_factor": 0.5})
    options["network_g"]["semantics"]["lora_dropout"] = 0.0
    options["train"]["scheduler"]["milestones"] = [3]

    def train(model, iterations):
        for iteration in iterations:
            model.update_learning_rate(iteration)
            model.feed_data(batch(iteration))
            model.optimize_parameters(iteration)
        return model

    torch.manual_seed(0)
    whole = train(build_model(copy.deepcopy(options)), range(1, 6))
    torch.manual_seed(0)
    train(build_model(copy.deepcopy(options)), range(1, 3)).save(0, 2)
    options["path"] |= {
        "resume_state": str(tmp_path / "training_states/2.state"),
        "pretrain_network_g": str(tmp_path / "models/net_g_2.pth"),
    }
    torch.manual_seed(99)
    resumed = build_model(options)
    resumed.resume_training(torch.load(tmp_path / "training_states/2.state", weights_only=True))
    train(resumed, range(3, 6))
    assert resumed.get_current_learning_rate() == whole.get_current_learning_rate() == [5e-4, 2.5e-4]
    for network in ("net_g", "net_g_ema"):
        expected = getattr(whole, network).state_dict()
        for name, value in getattr(resumed, network).state_dict().items():
            torch.testing.assert_close(value, expected[name], msg=f"{network} {name}")
