import json
import re

import pytest
from basicsr.utils.registry import METRIC_REGISTRY

from tests.cli.runs import network
from tests.training.runs import cropping_options, cut_off_after, state_of, train

SERIES = {"psnr": {"type": "calculate_psnr", "crop_border": 0}}


class Killed(BaseException):
    """Stands in for SIGKILL: nothing is saved, nothing is tidied up."""


def take_log(folder):
    """Read and remove the log of the run that has just ended; the next one may begin in the same second."""
    (log,) = (folder / "experiments/tiny").glob("train_*.log")
    text = log.read_text()
    log.unlink()
    return text


def validated(folder):
    """Data set and figure of each validation of the run that has just ended."""
    return re.findall(r"Validation (\w+)\n\s*# psnr: ([\d.]+)", take_log(folder))


@pytest.fixture
def killed_in_validation(monkeypatch):
    """Let the validation end the process when it measures for the so-many-th time; the check measures once."""

    def arrange(count):
        metric = METRIC_REGISTRY._obj_map["calculate_psnr"]
        left = [count]

        def counted(*args, **options):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return metric(*args, **options)

        monkeypatch.setitem(METRIC_REGISTRY._obj_map, "calculate_psnr", counted)

    return arrange


def options_of(folder, model_type, **changes):
    opt = cropping_options(folder, model_type=model_type, images=3, val_freq=5, **changes)
    second = {**opt["datasets"]["val"], "name": "more"}
    opt["datasets"] |= {"val_2": second}
    return opt


@pytest.mark.parametrize("model_type", ["SRModel", "SeGSRModel"])
@pytest.mark.parametrize(("image", "made_up"), [(2, ["few", "more"]), (5, ["more"])], ids=["first set", "second set"])
def test_a_validation_that_a_kill_cuts_off_is_made_up_for(
    tmp_path, monkeypatch, killed_in_validation, model_type, image, made_up
):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
        opt = options_of(folder, model_type)
        if folder is cut:
            break
        assert train(folder, monkeypatch, opt) == 0
    killed_in_validation(image)
    with pytest.raises(Killed):
        train(cut, monkeypatch, opt)
    first = validated(cut)
    killed_in_validation(-1)
    assert train(cut, monkeypatch, opt, "--auto_resume") == 0
    expected, second = validated(whole), validated(cut)
    assert first + second == expected and [name for name, _ in expected] == ["few", "more"] * 3
    assert [name for name, _ in second[: len(made_up)]] == made_up
    assert (
        network(cut, "latest")["params", "conv_first.weight"] == network(whole, "latest")["params", "conv_first.weight"]
    ).all()
    assert state_of(cut, 10)["best_metrics"] == state_of(whole, 10)["best_metrics"]
    assert json.loads((cut / "experiments/tiny/validated.json").read_text())["iteration"] == 12
    if model_type == "SeGSRModel":
        best = [json.loads((folder / "experiments/tiny/models/net_g_best.json").read_text()) for folder in (whole, cut)]
        assert best[0] == best[1]
        assert (cut / "experiments/tiny/validation/few/00000005").is_dir()


def test_a_validation_that_was_completed_is_not_repeated_and_its_best_figures_are_kept(tmp_path, monkeypatch):
    opt = options_of(tmp_path, "SRModel", iterations=7)
    mark = tmp_path / "experiments/tiny/validated.json"
    assert train(tmp_path, monkeypatch, opt) == 0
    assert state_of(tmp_path, 5)["best_metrics"] == {}, "the state is saved before the validation"
    first, content = validated(tmp_path), json.loads(mark.read_text())
    content["iteration"] = 5
    content["best_metrics"]["few"]["psnr"] |= {"val": 99.0, "iter": 5}
    cut_off_after(tmp_path, 5)
    mark.write_text(json.dumps(content))
    assert train(tmp_path, monkeypatch, opt, "--auto_resume") == 0
    log = take_log(tmp_path)
    assert re.findall(r"Validation (\w+)\n\s*# psnr: ([\d.]+)", log) == first[2:], "only those at the end"
    assert "Best: 99.0000 @ 5 iter" in log


def test_a_run_that_went_back_validates_again(tmp_path, monkeypatch, killed_in_validation):
    """Resumed from iteration 5 although 10 was validated, and killed in the validation of 10."""
    opt = options_of(tmp_path, "SRModel")
    assert train(tmp_path, monkeypatch, opt) == 0
    whole = validated(tmp_path)
    opt["path"]["resume_state"] = str(tmp_path / "experiments/tiny/training_states/5.state")
    killed_in_validation(2)
    with pytest.raises(Killed):
        train(tmp_path, monkeypatch, opt)
    assert validated(tmp_path) == []
    killed_in_validation(-1)
    assert train(tmp_path, monkeypatch, opt, "--auto_resume") == 0
    assert validated(tmp_path) == whole[2:]


def test_a_new_metric_begins_anew_and_a_damaged_mark_counts_as_none(tmp_path, monkeypatch):
    opt = options_of(tmp_path, "SRModel", iterations=12)
    assert train(tmp_path, monkeypatch, opt) == 0
    cut_off_after(tmp_path, 10)
    take_log(tmp_path)
    (tmp_path / "experiments/tiny/validated.json").write_text('{"iteration": 1')
    opt["val"]["metrics"] = {**SERIES, "ssim": {"type": "calculate_ssim", "crop_border": 0}}
    assert train(tmp_path, monkeypatch, opt, "--auto_resume") == 0
    log = take_log(tmp_path)
    assert log.count("cut off; it is made up for") == 2
    assert re.search(r"# ssim: (\S+)\s+Best: \1 @ 10 iter", log)
