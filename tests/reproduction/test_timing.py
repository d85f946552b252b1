import logging

import pytest
import torch

from segsr_arch.errors import ConfigError
from segsr_arch.inference import cost
from segsr_arch.reproduction.execution import Slot
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.plan import make_plan
from segsr_arch.reproduction.timing import STEPS, Pace, measure_pace, remaining_seconds, total_seconds
from segsr_arch.training import pace as pace_module
from tests.reproduction.made import make_settings


def runs_of(*rows, seeds=(0,), **changes):
    return make_plan(make_table("table7"), make_settings(**changes), seeds=seeds, rows=rows).runs


def test_seconds_of_what_is_left():
    (run,) = runs_of(1, iterations=2000)  # validates every 750 iterations and at the end
    pace = Pace(step=0.1, image=0.01)
    passes = 3 * 10 + 20 + 7
    assert pace.seconds(run, done=0, validation_images=10, final_images=20) == pytest.approx(200 + 0.01 * passes)
    passes = 2 * 10 + 20 + 7
    assert pace.seconds(run, done=800, validation_images=10, final_images=20) == pytest.approx(120 + 0.01 * passes)
    assert pace.seconds(run, done=2000, validation_images=10, final_images=20) == pytest.approx(0.27)


def test_several_at_a_time_take_at_least_as_long_as_the_longest():
    assert total_seconds([1.0, 2.0, 3.0], 2) == 3.0
    assert total_seconds([2.0] * 6, 3) == 4.0
    assert total_seconds([], 2) == 0.0


def test_the_rest_is_estimated_from_the_same_network_or_from_all():
    runs = runs_of(1, 5, 9, seeds=[0, 1])
    edsr, rcan, hat, edsr_1, rcan_1, hat_1 = runs
    assert remaining_seconds(runs, finished={}, reached={}, slots=1) is None
    finished = {edsr.name: 100.0, rcan.name: 300.0}
    reached = {edsr_1.name: 750}
    # EDSR half of 100, RCAN 300, HAT twice the mean of 100 and 300
    assert remaining_seconds(runs, finished=finished, reached=reached, slots=2) == pytest.approx(
        (50 + 300 + 2 * 200) / 2
    )
    assert remaining_seconds(runs, finished={run.name: 1.0 for run in runs}, reached={}, slots=2) == 0.0
    assert hat.network == hat_1.network and rcan_1.name != rcan.name


def test_a_network_is_timed_where_a_slot_would_run_it_and_weights_are_not_warned_of_again(caplog):
    (run,) = runs_of(3)
    threads, steps = torch.get_num_threads(), []
    with caplog.at_level(logging.WARNING):
        pace = measure_pace(run, slot=Slot(threads=1), lr_size=(12, 13), step_done=steps.append)
    assert 0 < pace.image < 5 and 0 < pace.step < 5
    assert steps == [1] * STEPS and torch.get_num_threads() == threads
    assert "RANDOM" not in caplog.text
    assert logging.getLogger("segsr_arch.semantics").level == logging.NOTSET


def test_of_a_slow_network_one_step_is_enough(monkeypatch):
    clock = iter(range(0, 600, 6))
    monkeypatch.setattr(cost.time, "perf_counter", lambda: next(clock))
    steps = []
    assert measure_pace(runs_of(1)[0], slot=Slot(), lr_size=(12, 12), step_done=steps.append).step == 6
    assert steps == [STEPS]


@pytest.mark.parametrize("row", [3, 5], ids=["RRDBNet", "SwinIR"])
def test_networks_that_want_sizes_of_their_own_are_timed_with_such(row):
    plan = make_plan(make_table("table1"), make_settings(scale=2), seeds=[0], rows=[row])
    assert measure_pace(plan.runs[0], slot=Slot(), lr_size=(15, 17)).image > 0


def test_too_little_memory_is_an_error_that_names_the_run(monkeypatch):
    def fail(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(pace_module, "_time_steps", fail)
    with pytest.raises(ConfigError, match="EDSR_UCM_x4_seed0: cpu has not enough memory"):
        measure_pace(runs_of(1)[0], slot=Slot(), lr_size=(12, 12))
