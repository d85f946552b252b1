import pytest

from segsr_arch.config import apply_overrides
from segsr_arch.errors import ConfigError


def options():
    return {"name": "a", "train": {"optim_g": {"lr": 1e-3}}, "val": {"suffix": "x"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("-1e-4", -1e-4),
        ("!!float 2", 2.0),
        ("-3", -3),
        ("true", True),
        ("False", False),
        ("~", None),
        ("None", None),
        ("[1, -2.5, a]", [1, -2.5, "a"]),
        ("'1e-4'", "1e-4"),
        ("a=b", "a=b"),
        ("__import__('os')", "__import__('os')"),
    ],
)
def test_values_are_yaml(text, value):
    opt = options()
    assert apply_overrides(opt, [f"train:optim_g:lr={text}"]) is opt
    got = opt["train"]["optim_g"]["lr"]
    assert got == value and type(got) is type(value)


def test_several_and_new_keys_in_a_section_that_is_there():
    opt = apply_overrides(options(), ["name = b", "val:pbar=true", "scale=4"])
    assert opt["name"] == "b" and opt["val"]["pbar"] is True and opt["scale"] == 4


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("trian:optim_g:lr=1", "the section trian does not exist; did you mean train?"),
        ("train:optim_d:lr=1", "the section train:optim_d does not exist; did you mean optim_g?"),
        ("name:x=1", "the section name is not a section"),
        ("train:optim_g:lr", "expected section:key=value"),
        ("=1", "expected section:key=value"),
        ("name=[1, 2", "the value is not YAML"),
    ],
)
def test_mistakes_are_refused_and_nothing_is_created(entry, words):
    opt = options()
    with pytest.raises(ConfigError) as caught:
        apply_overrides(opt, [entry])
    assert entry in str(caught.value) and words in str(caught.value)
    assert opt == options()
