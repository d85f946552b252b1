import time

import pytest
import yaml

from segsr_arch.config import Key, parse_scalar, read_options
from segsr_arch.config.mappings import check_value
from segsr_arch.config.problems import Problems
from segsr_arch.errors import ConfigError


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "some.yml"
    path.write_bytes(text.encode(encoding))
    return path


def test_exponents_are_numbers_and_quotes_keep_text(tmp_path):
    text = "a: 1e-4\nb: -2E+3\nc: '1e-4'\nd: .5e1\ne: e5\nf: 1.5e-7\ng: 12\nh: 1e\n"
    expected = {"a": 1e-4, "b": -2000.0, "c": "1e-4", "d": 5.0, "e": "e5", "f": 1.5e-7, "g": 12, "h": "1e"}
    options = read_options(written(tmp_path, text))
    assert options == expected
    assert [type(value) for value in options.values()] == [type(value) for value in expected.values()]


def test_stock_spellings_still_work(tmp_path):
    text = "lr: !!float 1e-4\nresume: ~\nlist: [1, 2]\nmap: &m {x: 1}\nmerged: {<<: *m, x: 2, y: 3}\n"
    assert read_options(written(tmp_path, text)) == {
        "lr": 1e-4,
        "resume": None,
        "list": [1, 2],
        "map": {"x": 1},
        "merged": {"x": 2, "y": 3},
    }


def test_utf8_with_and_without_mark(tmp_path):
    assert read_options(written(tmp_path, "name: 空 # µ\n")) == {"name": "空"}
    assert read_options(written(tmp_path, "name: 空\n", "utf-8-sig")) == {"name": "空"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- 1\n", "must be a mapping"),
        ("a: 1\nb: [1\n", "line 3, column 1"),
        ("a:\n\tb: 1\n", "line 2, column 1"),
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: the key 'a' is there twice in one section (first in line 1)"),
        ("s: {x: 1, x: 2}\n", "the key 'x' is there twice"),
        ("a: !!python/object/apply:os.system ['true']\n", "line 1, column 4"),
        ("d:\n  t: !!set {x, y}\n", "line 2, column 6: d:t: !!set is not read in option files"),
        ("d:\n  t: !!omap [a: 1]\n", "line 2, column 6: d:t: !!omap is not read"),
        ("d: [1, !!binary aGk=]\n", "line 1, column 8: d: !!binary is not read"),
        ("d: {at: !!timestamp 2024-13-45}\n", "line 1, column 9: d:at: !!timestamp is not read"),
        ("d:\n  t: !!int many\n", "line 2, column 6: d:t: 'many' is not a number"),
        ("d: !!bool maybe\n", "line 1, column 4: d: 'maybe' is not true or false"),
        ("d: 0x_\n", "line 1, column 4: d: '0x_' is not a number"),
        (f"d: {'9' * 5000}\n", "line 1, column 4: d: '9999"),
        ("d:\n  1: x\n", "line 2, column 3: d: the key '1' is a number to YAML; put it in quotes"),
        ("d:\n  on: x\n", "line 2, column 3: d: the key 'on' is true or false to YAML"),
        ("~: x\n", "line 1, column 1: the key '~' is nothing to YAML"),
        ("d: {[1, 2]: x}\n", "line 1, column 5: d: a list or section is no key"),
        ("d: {=: x}\n", "line 1, column 5: d: the key '=' is something else to YAML"),
        ("a: &a [1, *a]\n", "line 1, column 11: *a stands within what it refers to"),
        ("a: *gone\n", "line 1, column 4: found undefined alias"),
        ("a: {<<: 3}\n", "line 1, column 9: expected a mapping"),
        ("a: 1\nb: '\x00'\n", "line 2: the character #x0000 is not allowed"),
        ("a: " + "[" * 60 + "]" * 60, "line 1, column 53: more than 50 sections and lists"),
        ("a: " + "[" * 100_000, "line 1, column 53: more than 50 sections and lists"),
        ("\n".join(f"{'  ' * depth}k:" for depth in range(3000)), "line 51, column 101: more than 50 sections"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_options(path)
    assert str(path) in str(caught.value) and words in str(caught.value)


def test_missing_file_folder_and_encoding(tmp_path):
    with pytest.raises(ConfigError, match="no such option file"):
        read_options(tmp_path / "gone.yml")
    with pytest.raises(ConfigError, match="is a folder, expected an option file"):
        read_options(tmp_path)
    with pytest.raises(ConfigError, match=r"is not UTF-8 text \(byte 6\)"):
        read_options(written(tmp_path, "name: é", "latin-1"))


def test_parse_scalar():
    assert parse_scalar("1e-4") == 1e-4
    assert parse_scalar("~") is None


def test_a_date_is_text(tmp_path):
    assert read_options(written(tmp_path, "name: 2024-01-05\nrun: 2024-13-45\n")) == {
        "name": "2024-01-05",
        "run": "2024-13-45",
    }


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
)
MERGED = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 30)
)
LONG = f"a: &a {'x' * 100_000}\n" + f"b: [{', '.join(['*a'] * 200)}]\n"


@pytest.mark.parametrize("text", [BOMB, MERGED, LONG], ids=["lists", "merged", "a long text"])
def test_aliases_that_multiply_are_bounded(tmp_path, text):
    start = time.perf_counter()
    with pytest.raises(ConfigError, match="more than 100000 values, because aliases") as caught:
        read_options(written(tmp_path, text))
    assert time.perf_counter() - start < 2 and len(str(caught.value)) < 500
    with pytest.raises(yaml.YAMLError):
        parse_scalar(text)


def test_aliases_that_are_meant_stay(tmp_path):
    text = "a: &a {x: &x [1, 2]}\nb: [*a, *a]\nc: *x\n"
    assert read_options(written(tmp_path, text)) == {
        "a": {"x": [1, 2]},
        "b": [{"x": [1, 2]}, {"x": [1, 2]}],
        "c": [1, 2],
    }


def test_what_is_printed_of_values_keys_and_problems_is_bounded():
    problems = Problems()
    check_value(problems.at("k" * 10_000), [["x" * 10_000] * 1000] * 1000, Key("int"))
    problems.at("section").unknown("y" * 1_000_000, ["year"])
    for number in range(500):
        problems.at(f"key{number}").add("is wrong")
    with pytest.raises(ConfigError) as caught:
        problems.raise_if_any("some.yml")
    lines = str(caught.value).splitlines()
    assert lines[0] == "some.yml: 502 problems" and lines[-1] == "  - and 402 more"
    assert len(lines) == 102 and max(map(len, lines)) < 2500
