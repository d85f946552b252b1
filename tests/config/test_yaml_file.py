import pytest

from segsr_arch.config import parse_scalar, read_options
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
