import pytest

from segsr_arch.results.classes import class_of, classes_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("agricultural85", "agricultural"),
        ("airport_12", "airport"),
        ("storage-tanks_3", "storage-tanks"),
        ("Images/forest/forest07", "forest"),
        ("forest/anything", "forest"),
        ("scene2_tile10", "scene2_tile"),
        ("0001", ""),
        ("harbour", ""),
        ("img_0001_0002", ""),
        ("agricultural85x4", "agricultural"),
        ("agricultural85_HAT_x4", ""),
        ("0801x4", ""),
        ("complex12", "complex"),
        ("complex2", "complex"),
        ("complex12x4", "complex"),
        ("box_3_x2", "box"),
        ("海滩_7", "海滩"),
    ],
)
def test_class_is_the_folder_or_the_letters_before_the_number(name, expected):
    assert class_of(name) == expected


def test_what_all_names_of_a_set_end_in_is_a_scale():
    assert classes_of(["babyx4", "birdx4"]) == {"babyx4": "", "birdx4": ""}
    assert classes_of(["complex4", "complex12"]) == {"complex4": "complex", "complex12": "complex"}
    assert classes_of(["complex12"]) == {"complex12": "complex"}
    assert classes_of(["river1x4", "forest2x4"]) == {"river1x4": "river", "forest2x4": "forest"}
    assert classes_of([]) == {}
