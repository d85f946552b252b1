import io
import sys

import pytest

from segsr_arch.cli.segsr import main
from segsr_arch.cli.terminal import EscapingStream, escaped_output
from tests.support import make_image, write_image


class Sink(io.StringIO):
    encoding = "utf-8"


def written(*texts, encoding="utf-8"):
    sink = Sink()
    sink.encoding = encoding
    stream = EscapingStream(sink)
    for text in texts:
        stream.write(text)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b]0;title\x07b\n", "a\\x1b]0;title\\x07b\n"),
        ("one\n\ttwo\r\n", "one\n\ttwo\\r\n"),
        ("\r 50%|###", "\r 50%|###"),
        ("\x1b[A", "\x1b[A"),
        ("\x1b[A!", "\\x1b[A!"),
        ("海滩 caf\udce9", "海滩 caf\\udce9"),
    ],
)
def test_what_would_act_is_shown(text, shown):
    assert written(text) == shown


def test_a_terminal_without_the_letters_gets_escapes_and_no_error():
    assert written("forêt 海", encoding="latin-1") == "forêt \\u6d77"
    assert written("forêt", encoding="ascii") == "for\\xeat"


def test_streams_are_given_back(capsys):
    before = sys.stdout, sys.stderr
    with pytest.raises(KeyError), escaped_output():
        print("a\x1b[2J")
        print("b\x1b[2J", file=sys.stderr)
        assert not sys.stdout.isatty()
        raise KeyError
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("a\\x1b[2J\n", "b\\x1b[2J\n")


def test_errors_tables_and_usage_are_escaped(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("gt", "s\x1b[31mr"):
        write_image(tmp_path / name / "a\x1b[2J1.png", make_image(0, 32, 32))
    assert main(["evaluate", "--sr", "no\x1b[2Jne", "--gt", "gt"]) == 2
    with pytest.raises(SystemExit):
        main(["evaluate", "--scale", "4\x1b[2J"])
    assert main(["evaluate", "--sr", "s\x1b[31mr", "--gt", "gt", "--scale", "4"]) == 0
    output = capsys.readouterr()
    assert "\x1b" not in output.out + output.err
    assert "no\\x1b[2Jne: no such folder" in output.err and "s\\x1b[31mr" in output.out
