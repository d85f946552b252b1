"""Trainings that are killed again and again end with the network of one that nobody has killed."""

import re

import pytest

from tests.campaign.killing import killed, partial, unreadable
from tests.campaign.tally import dice, series
from tests.cli.runs import largest_difference, make_options, make_pairs, network, run_here, write_options
from tests.support import TINY_SEMANTICS, make_image, write_image

pytestmark = [pytest.mark.campaign, pytest.mark.slow]
WHAT = "kills of a training"
KINDS = [("SRModel", 0, None), ("SeGSRModel", 0, None), ("SeGSRModel", 2, None), ("SRModel", 2, "cpu")]
ITERATIONS = 240
STATES = 10
VALIDATIONS = 30


def prepare_run(folder, kind):
    """Images that differ, options with crops and flips, states often; returns the options."""
    model, workers, prefetch = KINDS[kind % len(KINDS)]
    make_pairs(folder, count=0)
    for number in range(8):
        hr = make_image(number, 32, 32)
        write_image(folder / "HR" / f"{number:02}.png", hr)
        write_image(folder / "LR" / f"{number:02}.png", hr[::2, ::2])
    opt = make_options(folder, iterations=ITERATIONS, workers=workers, prefetch=prefetch, val_freq=VALIDATIONS)
    opt["model_type"] = model
    opt["datasets"]["train"] |= {"use_hflip": True, "use_rot": True}
    opt["logger"]["save_checkpoint_freq"] = STATES
    if model == "SeGSRModel":
        opt["network_g"] = {"type": "SemanticSR", "base": opt["network_g"], "units": 1, "semantics": TINY_SEMANTICS}
    return opt


def iterations_logged(folder):
    """The last iteration in the newest log."""
    logs = sorted((folder / "experiments/tiny").glob("train_*.log"), key=lambda path: path.stat().st_mtime_ns)
    found = re.findall(r"iter:\s*([\d,]+), lr", logs[-1].read_text(errors="replace")) if logs else []
    return int(found[-1].replace(",", "")) if found else 0


@pytest.mark.parametrize(("number", "count"), series(25, each=5))
def test_the_network_is_that_of_an_uninterrupted_run(tally, tmp_path, monkeypatch, number, count):
    folder = tmp_path / "run"
    opt = prepare_run(folder, number)
    write_options(folder, {**opt, "name": "whole"}, "whole.yml")
    assert run_here(["train", "-opt", "whole.yml"], monkeypatch, folder) == 0
    write_options(folder, opt)
    command = ["-m", "segsr_arch.cli.basicsr", "train", "-opt", "tiny.yml"]
    random = dice("training", number)
    bad = []
    for attempt in range(count):
        aim = (attempt + random.random()) * ITERATIONS / (count + 1)  # later and later: there is a run to be resumed
        moment = random.uniform(0, 0.1)
        reached = []

        def when(seconds, aim=aim, moment=moment, reached=reached):
            if not reached and iterations_logged(folder) >= aim:
                reached.append(seconds)
            return bool(reached) and seconds > reached[0] + moment

        was_killed, output = killed([*command, *["--auto_resume"] * (attempt > 0)], cwd=folder, when=when)
        if not was_killed or "Traceback" in output:
            bad.append(f"attempt {attempt}: killed {was_killed}: {output[-500:]}")
        bad += unreadable(folder / "experiments/tiny")
    if run_here(["train", "-opt", "tiny.yml", "--auto_resume"], monkeypatch, folder) != 0:
        bad.append("the last resume did not end with 0")
    else:
        difference = largest_difference(network(folder, "latest"), network(folder, "latest", "whole"))
        if difference > 0:
            bad.append(f"weights differ by {difference}")
        if opt["model_type"] == "SeGSRModel":
            records = folder / "experiments/tiny/validation/few"
            missing = [
                i for i in range(VALIDATIONS, ITERATIONS + 1, VALIDATIONS) if not (records / f"{i:08d}").is_dir()
            ]
            bad += [f"no validation of iteration {i}" for i in missing]
        bad += partial(folder)
    tally.series(WHAT, count, f"training/{number} {KINDS[number % len(KINDS)]}", bad)
    assert not tally.lost, tally.told
