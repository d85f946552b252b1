"""Option dataclasses: what their fields say is what is checked, read and recorded."""

import inspect
import typing
from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from typing import Any

import pytest

from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, keys_of, option, takes_fields_of
from segsr_arch.option_keys import NO_DEFAULT, Key

WHY = "weights are the same with any"


@dataclass(frozen=True, kw_only=True)
class Blending(OptionGroup):
    section = "blending"

    width: int = option(8, help="of the seam", unit="LR pixels", minimum=1)
    rate: float = option(0.5, help="share of the other", unrecorded=WHY, minimum=0, below=1)
    limit: float | None = option(None, help="none by default", unrecorded=WHY, above=0)
    form: str = option("ramp", help="of the weights", choices=("ramp", "cosine"))
    dtype: str | None = option(None, help="of the sums", unrecorded=WHY, choices=("bf16", None))
    smooth: bool = option(True, help="or not", unrecorded=WHY)
    folder: str | None = option(None, help="of tables", unrecorded=WHY, what="a folder")
    model: str | Mapping[str, Any] = option("tiny", help="by name or written out", unrecorded=WHY)


@dataclass(frozen=True, kw_only=True)
class Shared(Blending):
    shares_section = True


def test_values_are_read_and_the_rest_is_left_at_its_defaults():
    group = Blending.read({"width": 4, "limit": 2, "model": {"depth": 1}})
    assert group == Blending(width=4, limit=2, model={"depth": 1}) and group.form == "ramp"
    assert Blending.read(None) == Blending.read({}) == Blending()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "blending: width: must be a whole number of LR pixels, at least 1, got 0."),
        ({"width": True}, "blending: width: must be a whole number of LR pixels, at least 1, got True."),
        ({"width": None}, "blending: width: must be a whole number of LR pixels, at least 1, got None."),
        ({"rate": 1}, "blending: rate: must be a number of at least 0 and below 1, got 1."),
        ({"rate": float("nan")}, "blending: rate: must be a number of at least 0 and below 1, got nan."),
        ({"limit": 0}, "blending: limit: must be a number above 0 or null, got 0."),
        ({"form": "rampe"}, "blending: form: 'rampe' is not known; use one of ramp, cosine."),
        ({"form": ["ramp"]}, "blending: form: ['ramp'] is not known; use one of ramp, cosine."),
        ({"dtype": "fp8"}, "blending: dtype: must be bf16 or null, got 'fp8'."),
        ({"smooth": 1}, "blending: smooth: must be true or false, got 1."),
        ({"folder": 7}, "blending: folder: must be a folder or null, got 7."),
        ({"model": 7}, "blending: model: must be text or a mapping of keys, got 7."),
        ({"widht": 4}, "blending: widht is not an option; did you mean width?"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_right(options, message):
    with pytest.raises(ConfigError) as caught:
        Blending.read(options)
    assert str(caught.value) == message


def test_where_no_name_is_near_all_are_named_however_many_there_are():
    options = [(f"width_{number}", int, option(1, help="")) for number in range(13)]
    many = make_dataclass("Many", options, bases=(Blending,), kw_only=True, frozen=True)
    with pytest.raises(ConfigError, match="blending: zzz is not an option; known are: width, rate, .*, width_12$"):
        many.read({"zzz": 1})


def test_a_section_that_others_read_too_may_hold_more():
    assert Shared.read({"width": 2, "total_iter": 5}) == Shared(width=2)
    with pytest.raises(ConfigError, match="blending: width"):
        Shared.read({"width": 0, "total_iter": 5})


def test_a_function_shows_the_fields_that_it_hands_on():
    class Sharpener:
        @takes_fields_of(Blending)
        def __init__(self, *, strength: float = 1, **blending: Any) -> None:
            self.strength, self.blending = strength, Blending(**blending)

    shown = inspect.signature(Sharpener).parameters
    assert list(shown) == ["strength", *keys_of(Blending)]
    assert all(p.kind is p.KEYWORD_ONLY for p in shown.values()) and shown["width"].default == 8
    assert typing.get_type_hints(Sharpener.__init__)["limit"] == float | None
    assert Sharpener(strength=2, width=4).blending == Blending(width=4)
    with pytest.raises(TypeError, match="widht"):
        Sharpener(widht=4)


def test_a_function_keeps_the_types_of_its_own_parameters_and_of_its_result():
    @takes_fields_of(Blending)
    def sharpen(path: str, *, strength: float = 1, **blending: Any) -> int:
        return Blending(**blending).width

    hints = typing.get_type_hints(sharpen)
    assert hints["path"] is str and hints["strength"] is float and hints["return"] is int
    assert "blending" not in hints and hints["limit"] == float | None
    assert list(inspect.signature(sharpen).parameters) == ["path", "strength", *keys_of(Blending)]
    assert sharpen("x", width=3) == 3


def test_keys_of_the_check_come_from_the_fields():
    keys = keys_of(Blending)
    assert keys["width"] == Key("int", nullable=False, minimum=1, help="of the seam", default=8, unit="LR pixels")
    assert keys["dtype"].words == ("bf16",) and keys["dtype"].nullable and not keys["form"].nullable
    assert [key.kind for key in keys.values()] == [
        "int", "number", "number", "text", "text", "bool", "text", "text|mapping"
    ]  # fmt: skip
    assert all(key.help for key in keys.values())


def test_fields_of_any_dataclass_have_a_kind_and_no_more():
    @dataclass
    class Plain:
        size: int
        sizes: list[int] | None = None
        other: object = 3

    keys = keys_of(Plain)
    assert keys["size"].required and keys["size"].default is NO_DEFAULT
    assert (keys["sizes"].kind, keys["other"].kind, keys["other"].default) == ("list", "any", 3)


def test_options_that_a_checkpoint_depends_on_are_named():
    assert Blending.recorded_names() == ("width", "form")
