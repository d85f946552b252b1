import dataclasses

import pytest

from segsr_arch.errors import ConfigError, DependencyError
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.plan import make_plan
from segsr_arch.reproduction.plan_checks import check_plan, unavailable_lines
from segsr_arch.reproduction.presets import FULL
from segsr_arch.zoo import spandrel_networks
from tests.reproduction.made import make_settings, prepare_images


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(prepare_images(tmp_path_factory.mktemp("prepared"), side=128, count=9))


def checked(key, data, *, rows=None, base=None, seeds=(0,), **changes):
    settings = make_settings(data=data, final_split="test", **changes)
    return check_plan(make_plan(make_table(key, base=base), settings, seeds=seeds, rows=rows))


def test_every_row_of_table_4_passes(data):
    plan = checked("table4", data, seeds=(0, 1))
    assert not any(row.unavailable for row in plan.rows) and len(plan.runs) == 8
    assert unavailable_lines(plan.rows) == []


def test_a_network_whose_package_is_missing_is_left_out_with_the_pip_command(data, monkeypatch):
    def find_network(name):
        raise DependencyError(f"spandrel/{name} needs spandrel. Install it with: pip install 'segsr-arch[zoo]'")

    monkeypatch.setattr(spandrel_networks, "find_network", find_network)
    plan = checked("table1", data, rows=[1, 6, 8])
    assert [bool(row.runs) for row in plan.rows] == [True, False, True]
    (line,) = unavailable_lines(plan.rows)
    assert line.startswith("6 SRFormer: network_g:type: spandrel/SRFormer needs spandrel")
    assert "pip install 'segsr-arch[zoo]'" in line


def test_weights_that_cannot_be_had_are_told_once_with_the_rows_and_the_option(data, tmp_path):
    plan = checked("table4", data, vlm_pretrained=str(tmp_path / "gone.pt"))
    assert [bool(row.runs) for row in plan.rows] == [True, False, False, False]
    (line,) = unavailable_lines(plan.rows)
    assert line.startswith("2 SFEM, 3 SFEM + LMM, 4 SFEM + SLM + LMM: network_g: semantics: pretrained: ")
    assert "gone.pt' is neither a file nor a weights tag" in line and line.endswith("(here: --vlm-pretrained)")


def test_images_that_are_too_small_for_the_preset_are_found(data):
    preset = dataclasses.replace(FULL, semantics={**FULL.semantics, "pretrained": None}, workers=0)
    with pytest.raises(ConfigError, match=r"No row can be run.\n1 EDSR(.|\n)*gt_size"):
        checked("table7", data, rows=[1], preset=preset)


def test_what_is_measured_stays_whatever_is_refused_later(data, tmp_path):
    vlm_pretrained, looked = str(tmp_path / "gone.pt"), []

    def measured(run):
        looked.append(run.name)
        return run.network.startswith("EDSR_u4_UCM") or run.name == "EDSR_u4_sfem_UCM_x4_gone_seed1"

    settings = make_settings(data=data, final_split="test", vlm_pretrained=vlm_pretrained)
    plan = check_plan(make_plan(make_table("table4", base="EDSR"), settings, seeds=(0, 1)), measured=measured)
    assert [[run.seed for run in row.runs] for row in plan.rows] == [[0, 1], [1], [], [0, 1]]
    assert [bool(row.unavailable) for row in plan.rows] == [False, True, True, False]
    assert [run.seed for run in plan.runs] == [0, 0, 1, 1, 1] and looked


def test_if_no_row_can_be_run_all_reasons_are_in_the_error(data, monkeypatch):
    def find_network(name):
        raise DependencyError(f"spandrel/{name} is missing.")

    monkeypatch.setattr(spandrel_networks, "find_network", find_network)
    with pytest.raises(ConfigError, match=r"^No row can be run.\n6 SRFormer: network_g:type: .*is missing\.$"):
        checked("table1", data, rows=[6])
