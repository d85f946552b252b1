import json
import os
from dataclasses import replace

import pytest
import yaml

from segsr_arch.errors import ConfigError, DataError, InUseError
from segsr_arch.files import locking
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.plan import make_plan
from segsr_arch.reproduction.workplace import Progress, Workplace
from tests.reproduction.made import leave_run, make_settings


def runs_of(**changes):
    return make_plan(make_table("table4", base="EDSR"), make_settings(**changes), seeds=[0]).runs


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path / "out")


def test_nothing_is_made_by_looking(place):
    run = runs_of()[0]
    place.check([run])
    assert place.progress(run) == Progress() and place.iteration(run) == 0 and place.record(run) is None
    assert not place.folder.exists()


def test_options_are_written_once_and_compared_ever_after(place):
    plain, guided = runs_of()[0], runs_of()[3]
    place.write_options(plain)
    place.write_options(guided)
    text = place.option_file(plain, "train").read_text()
    assert text.startswith("# Written by segsr reproduce for the run EDSR_UCM_x4_seed0")
    place.check(runs_of())
    with pytest.raises(
        ConfigError, match=r"train_EDSR_UCM_x4_seed0.yml: this run was started with other options \(.*train:total_iter"
    ):
        place.check(runs_of(iterations=7))
    with pytest.raises(ConfigError, match=r"measured on other images in .*Give the same --test-on and --data"):
        place.check(runs_of(final_split="test"))
    with pytest.raises(ConfigError, match=r"\(datasets:train:dataroot_gt, .*--data"):
        place.check(runs_of(data="/elsewhere"))
    place.check(runs_of(vlm_pretrained="other.pt")[1:])  # other weights, another name


@pytest.mark.parametrize(
    ("kind", "section", "key"),
    [("train", "train", "ema_decay"), ("final", "path", "param_key_g"), ("final", "val", "x")],
)
def test_a_folder_of_another_version_is_told_from_other_arguments(place, kind, section, key):
    run = runs_of()[0]
    place.write_options(run)
    path = place.option_file(run, kind)
    options = yaml.safe_load(path.read_text())
    options[section].pop(key, None) or options[section].update({key: 1})
    path.write_text(yaml.safe_dump(options))
    message = rf"another version of this package wrote it.*\({section}:{key}\), which no argument sets. .*--out"
    with pytest.raises(ConfigError, match=message):
        place.check([run])


@pytest.mark.parametrize("change", [{"iterations": 7}, {"amp": "bf16"}, {"num_gpu": 1}])
def test_what_arguments_set_is_named_with_them(place, change):
    before = runs_of()
    for run in before:
        place.write_options(run)
    now = [replace(run, name=old.name) for run, old in zip(runs_of(**change), before, strict=True)]
    with pytest.raises(ConfigError, match="this run was started with other options .* Give the same --iters, --preset"):
        place.check(now)


def test_an_option_file_that_cannot_be_read_is_named(place):
    run = runs_of()[0]
    place.write_options(run)
    place.option_file(run, "final").write_text("a: [")
    with pytest.raises(ConfigError, match="final_EDSR_UCM_x4_seed0.yml cannot be read"):
        place.check([run])


def test_images_that_have_changed_meanwhile_are_refused(place):
    run = runs_of(data_digest="old")[0]
    place.note(run, attempts=1, data_digest=run.data_digest)
    place.check([run])
    place.check(runs_of())  # nobody looked
    with pytest.raises(ConfigError, match="the images of --data have changed since this run was started"):
        place.check(runs_of(data_digest="new"))


def test_images_that_have_only_been_moved_are_the_same(place):
    before, now = (runs_of(data=folder, data_digest="d")[0] for folder in ("/old", "/new"))
    place.write_options(before)
    place.note(before, data_digest="d")
    place.check([now])
    assert "/old/train" in place.option_file(now, "train").read_text()
    place.write_options(now)
    for kind in ("train", "final"):
        text = place.option_file(now, kind).read_text()
        assert "/new/" in text and "/old/" not in text
    with pytest.raises(ConfigError, match=r"other options \(train:total_iter\)|other options \(.*train:total_iter"):
        place.check(runs_of(data="/third", data_digest="d", iterations=7))


def test_a_vision_language_model_that_has_only_been_moved_is_the_same(place):
    before, now = (runs_of(vlm_pretrained=f"{place}/vit.pt", vlm_digest="d")[1] for place in ("/old", "/new"))
    place.write_options(before)
    place.note(before, vlm_digest="d")
    place.check([now])
    place.write_options(now)
    assert "/new/vit.pt" in place.option_file(now, "train").read_text()
    unknown = runs_of(vlm_pretrained="/third/vit.pt")[1]
    with pytest.raises(ConfigError, match="network_g:semantics:pretrained"):
        place.check([unknown])


def test_figures_that_cannot_be_read_are_told_with_the_remedy(place):
    run = runs_of()[0]
    leave_run(place, run, 27.0)
    (place.evaluation_folder(run) / "evaluation.json").write_text("{")
    with pytest.raises(DataError, match=r"figures of EDSR_UCM_x4_seed0 .*; remove .*measures the network again.*JSON"):
        place.record(run)


def test_progress_is_kept(place):
    run = runs_of()[0]
    place.note(run, attempts=1, threads=2)
    assert place.note(run, train_seconds=3.5).attempts == 1
    assert Workplace(place.folder).progress(run) == Progress(attempts=1, threads=2, train_seconds=3.5)
    (place.folder / "runs" / f"{run.name}.json").write_text(json.dumps({"attempts": 1, "unheard": 2}))
    with pytest.raises(DataError, match=r"EDSR_UCM_x4_seed0.json cannot be read .*unheard.*remove it"):
        place.progress(run)


def leave_network(place, run):
    network = place.folder / run.final["path"]["pretrain_network_g"]
    network.parent.mkdir(parents=True, exist_ok=True)
    network.touch()
    return network


def test_a_run_without_its_network_or_its_figures_is_trained_again(place):
    run = runs_of()[0]
    network = leave_network(place, run)
    place.note(run, trained=True)
    assert place.progress(run).trained
    network.unlink()
    assert not place.progress(run).trained
    leave_run(place, run, 27.0)
    assert place.progress(run).trained and place.progress(run).measured, "what is measured needs no network"


def test_a_run_beside_another_vision_language_model_is_refused(place):
    run = runs_of(vlm_digest="old")[1]
    place.note(run, attempts=1, vlm_digest=run.vlm_digest)
    place.check([run])
    with pytest.raises(ConfigError, match=r"the files of --vlm or --vlm-pretrained have changed since"):
        place.check(runs_of(vlm_digest="new"))
    assert runs_of(vlm_digest="new")[0].vlm_digest is None, "the plain base has none"


def test_a_run_is_as_far_as_its_newest_state(place):
    run = runs_of()[0]
    states = place.folder / "experiments" / run.name / "training_states"
    states.mkdir(parents=True)
    for name in ("500.state", "1000.state", "old.state"):
        (states / name).touch()
    assert place.iteration(run) == 1000
    leave_network(place, run)
    place.note(run, trained=True)
    assert place.iteration(run) == 1500


def test_a_measured_run_whose_figures_are_gone_is_to_be_measured_again(place):
    run = runs_of()[0]
    leave_run(place, run, 27.0)
    leave_network(place, run)
    assert place.record(run).method == run.name
    (place.evaluation_folder(run) / "evaluation.json").unlink()
    assert place.record(run) is None
    assert (place.progress(run).trained, place.progress(run).measured) == (True, False)


def test_one_process_at_a_time(place, monkeypatch):
    monkeypatch.setattr(locking, "PATIENCE", 0.1)
    with place.locked(), pytest.raises(InUseError, match=f"in use by process {os.getpid()}"):
        Workplace(place.folder).locked().__enter__()
    with place.locked():
        pass  # free again


@pytest.mark.parametrize("kind", ["experiments", "results"])
def test_a_run_that_was_left_behind_is_named(place, monkeypatch, kind):
    monkeypatch.setattr(locking, "PATIENCE", 0.1)
    refused = pytest.raises(InUseError, match=f"out/{kind} is in use by process {os.getpid()}")
    with locking.locked(place.folder / kind / "EDSR"), refused:
        place.locked().__enter__()
    with place.locked():
        pass
