import shutil

import pytest

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.saved_evaluations import find_methods, find_records, find_tests, find_validations
from tests.evaluation.figures.records import write_evaluation


def find_evaluations(*paths):
    return list(find_tests(paths).values())


def test_evaluations_are_found_in_and_below_a_folder(tmp_path):
    folder = write_evaluation(tmp_path, "A", 1.0)
    write_evaluation(tmp_path, "B", 2.0)
    assert [record.method for record in find_evaluations(folder)] == ["A"]
    assert [record.method for record in find_evaluations(tmp_path)] == ["A", "B"]


def test_validations_are_apart_from_evaluations_and_in_order(tmp_path):
    write_evaluation(tmp_path, "A", 1.0)
    for iteration in (1000, 500, 20000):
        write_evaluation(tmp_path, "run", 1.0, iteration=iteration)
    assert [record.iteration for record in find_validations(tmp_path)] == [500, 1000, 20000]
    assert [record.method for record in find_evaluations(tmp_path)] == ["A"]


@pytest.mark.parametrize("find", [find_evaluations, find_validations])
def test_what_was_looked_for_is_said(tmp_path, find):
    with pytest.raises(DataError, match="no evaluation.json of a"):
        find(tmp_path)
    with pytest.raises(DataError, match="nowhere: no such folder"):
        find(tmp_path / "nowhere")


def test_a_folder_with_validations_only_says_so(tmp_path):
    write_evaluation(tmp_path, "run", 1.0, iteration=5)
    with pytest.raises(DataError, match="1 validations of a training are there"):
        find_evaluations(tmp_path)


def test_several_data_sets_need_a_choice(tmp_path):
    write_evaluation(tmp_path, "A", 1.0, dataset="One")
    write_evaluation(tmp_path, "A", 1.0, dataset="Two")
    with pytest.raises(ConfigError, match="--dataset: One, Two"):
        find_methods([tmp_path])
    assert [record.dataset for record in find_methods([tmp_path], dataset="Two")] == ["Two"]
    with pytest.raises(ConfigError, match="--dataset Three: there is no evaluation on it"):
        find_methods([tmp_path], dataset="Three")


def test_the_same_folder_given_twice_counts_once(tmp_path):
    folder = write_evaluation(tmp_path / "results", "A", 1.0)
    assert len(find_methods([folder, tmp_path])) == len(find_evaluations(tmp_path, folder)) == 1
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    assert len(find_evaluations(tmp_path / "link", folder, tmp_path)) == 1


def test_linked_folders_are_looked_into(tmp_path):
    folder = write_evaluation(tmp_path / "store", "A", 1.0)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/A").symlink_to(folder, target_is_directory=True)
    (folder / "round").symlink_to(tmp_path / "results", target_is_directory=True)
    assert [record.method for record in find_evaluations(tmp_path / "results")] == ["A"]


def test_one_method_in_two_folders_is_refused(tmp_path):
    write_evaluation(tmp_path / "results", "A", 1.0)
    shutil.copytree(tmp_path / "results", tmp_path / "archived")
    with pytest.raises(ConfigError, match="A on Set is there twice"):
        find_methods([tmp_path])


def test_what_was_replaced_or_never_finished_is_passed_over(tmp_path):
    folder = write_evaluation(tmp_path, "A", 1.0, dataset="made")
    for name in ("made_archived_20260101_000000", ".made.partial"):
        shutil.copytree(folder, folder.with_name(name))
    assert [found for found, _ in find_records(tmp_path)] == [folder]
    ours = [
        write_evaluation(tmp_path, name, 1.0, dataset=name) for name in ("B_partial", "C_archived_2", "D_archived_")
    ]
    assert [found for found, _ in find_records(tmp_path)] == sorted([folder, *ours])
    archived = folder.with_name("made_archived_20260101_000000")
    assert len(find_evaluations(archived)) == 1  # named by hand, it is meant
