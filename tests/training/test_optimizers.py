import pytest

from segsr_arch.training.optimizers import settings_problem


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "Adam", "lr": 1e-3}, {"type": "Adam", "lr": 1e-4, "betas": [0.8, 0.9], "weight_decay": 0.1}),
        ({"type": "Adam", "lr": 1e-3}, {"type": "Adam", "lr": 1e-3, "fused": True}),
        ({"type": "SGD", "lr": 1e-3}, {"type": "SGD", "lr": 1e-3, "momentum": 0.9, "nesterov": True}),
        ({"type": "SGD", "lr": 1e-3, "momentum": 0.9}, {"type": "SGD", "lr": 1e-3}),
        ({"type": "Lion", "lr": 1e-3}, {"type": "Lion", "lr": 1e-3, "betas": [0.9, 0.95]}),
    ],
)
def test_settings_that_an_optimizer_reads_at_each_step_take_effect(old, new):
    assert settings_problem(old, new) is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ({"type": "Adam", "lr": 1e-3}, {"type": "AdamW", "lr": 1e-3}, "of no use to another"),
        ({"type": "AdamW", "lr": 1e-3}, {"type": "AdamW", "lr": 1e-3, "amsgrad": True}, "max_exp_avg_sq"),
        ({"type": "RMSprop", "lr": 1e-3}, {"type": "RMSprop", "lr": 1e-3, "centered": True}, "grad_avg"),
        (
            {"type": "Adagrad", "lr": 1e-3},
            {"type": "Adagrad", "lr": 1e-3, "initial_accumulator_value": 1.0},
            "initial_accumulator_value counts only when a training begins",
        ),
    ],
)
def test_settings_that_a_state_does_not_serve_are_refused(old, new, reason):
    assert reason in settings_problem(old, new)
