import dataclasses

import pytest

from segsr_arch.errors import ConfigError
from segsr_arch.results.comparison import (
    by_dataset,
    check_comparable,
    class_table,
    common_columns,
    compare_records,
    on_shared_values,
    restrict_to_common,
)
from tests.results.made import PSNR, SAM, make_record

A = {"forest1": 30.0, "forest2": 32.0, "river1": 25.0}
B = {"forest1": 29.0, "forest2": 33.0, "river1": 24.0}


def test_methods_are_compared_image_by_image():
    pair = compare_records(make_record("a", psnr=A), make_record("b", psnr=B), column="psnr_y-crop")
    assert pair.difference.mean == pytest.approx(1 / 3)
    assert (pair.won, pair.lost) == (pytest.approx(2 / 3), pytest.approx(1 / 3))


def test_only_images_with_both_values_count():
    a, b = make_record("a", psnr=A, sam={"forest1": 0.1, "river1": 0.3}), make_record("b", psnr=B, sam={"river1": 0.2})
    pair = compare_records(a, b, column="sam")
    assert pair.difference.n == 1 and (pair.won, pair.lost) == (0, 1)


def test_class_table_has_a_row_a_class_and_the_mean_of_all_images_last():
    table = class_table([make_record("a", psnr=A), make_record("b", psnr=B)], column="psnr_y-crop")
    assert table.headers == ("class", "a", "b")
    assert table.values == [["forest", 31.0, 31.0], ["river", 25.0, 24.0], ["mean", 29.0, pytest.approx(86 / 3)]]
    assert table.plain()[2] == ["mean", "29.0000", "28.6667"]


def test_means_that_are_compared_are_those_of_the_images_that_all_have_a_value_of():
    sam = {"forest1": 0.1, "forest2": 0.9, "river1": 0.3}
    a, b = make_record("a", psnr=A, sam=sam), make_record("b", psnr=B, sam={"forest1": 0.2, "river1": 0.3})
    table = class_table([a, b], column="sam")
    assert table.foot[0][2].plain == "0.2500 2 of 3 images"
    shared = on_shared_values([a, b], column="sam")
    assert class_table(shared, column="sam").values == [["forest", 0.1, 0.2], ["river", 0.3, 0.3], ["mean", 0.2, 0.25]]
    assert shared[0].values("psnr_y-crop") == A and shared[1] is b


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (make_record("b", psnr=B, scale=2), "x4 against x2"),
        (
            make_record("b", psnr={"forest1": 1.0, "lake1": 2.0}),
            r"2 only in a \(forest2, river1\); 1 only in b \(lake1",
        ),
        (make_record("b", psnr=B, digest="e"), "the ground truth of 3 images has other pixels"),
    ],
)
def test_what_was_not_measured_on_the_same_images_is_not_compared(other, message):
    with pytest.raises(ConfigError, match=message):
        check_comparable(make_record("a", psnr=A), other)


def test_figures_that_were_computed_in_another_way_are_not_compared():
    other = dataclasses.replace(make_record("b", psnr=B), columns=(dataclasses.replace(PSNR, protocol="rgb"),))
    with pytest.raises(ConfigError, match="No figure was computed in the same way .*psnr_y-crop"):
        common_columns([make_record("a", psnr=A), other])


def test_a_protocol_says_how_a_figure_was_computed_and_where_there_is_none_the_backend():
    assert PSNR.is_same_figure(dataclasses.replace(PSNR, backend="another", decimals=1, label="ratio"))
    for change in ({"protocol": "rgb"}, {"protocol": None}, {"better": "lower"}, {"metric": "ssim"}, {"name": "psnr"}):
        assert not PSNR.is_same_figure(dataclasses.replace(PSNR, **change))
    assert SAM.is_same_figure(SAM) and not SAM.is_same_figure(dataclasses.replace(SAM, backend="another"))


def test_columns_are_named_by_their_protocols_but_two_of_one_name():
    sam = dict.fromkeys(A, 0.5)
    old = make_record("a", psnr=A, sam=sam)
    columns = tuple(dataclasses.replace(each, name=f"my {each.metric}") for each in old.columns)
    rows = tuple(
        dataclasses.replace(row, values={f"my {name[:4].strip('_')}": each for name, each in row.values.items()})
        for row in old.images
    )
    old = dataclasses.replace(old, columns=columns, images=rows)
    named = old.named_by_protocols()
    assert named.column_names == ["psnr_y-crop", "my sam"]
    assert named.values("psnr_y-crop") == A and named.values("my sam") == sam
    twice = dataclasses.replace(old, columns=(*columns, dataclasses.replace(PSNR, name="again")))
    assert twice.named_by_protocols() is twice


def test_methods_can_be_restricted_to_the_images_that_all_have():
    a, b = make_record("a", psnr=A), make_record("b", psnr={"forest1": 29.0, "lake1": 20.0})
    first, second = restrict_to_common([a, b])
    assert first.values("psnr_y-crop") == {"forest1": 30.0} and second.summary["psnr_y-crop"].mean == 29.0
    check_comparable(first, second)
    assert restrict_to_common([a, a]) == [a, a]
    with pytest.raises(ConfigError, match="a, c have no image in common"):
        restrict_to_common([a, make_record("c", psnr={"lake1": 1.0})])


def test_methods_are_grouped_by_data_set_and_by_scale_where_there_are_several():
    records = [make_record("a", psnr=A), make_record("b", psnr=B), make_record("c", psnr=A, dataset="other")]
    assert {name: [r.method for r in group] for name, group in by_dataset(records).items()} == {
        "made": ["a", "b"],
        "other": ["c"],
    }
    mixed = [*records, make_record("d", psnr=A, scale=2)]
    assert list(by_dataset(mixed)) == ["made_x4", "other", "made_x2"]
