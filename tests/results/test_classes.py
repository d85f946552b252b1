import pytest

from segsr_arch.results.classes import class_of


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
    ],
)
def test_class_is_the_folder_or_the_letters_before_the_number(name, expected):
    assert class_of(name) == expected
