import pytest

from segsr_arch.cli import prepare
from segsr_arch.cli.segsr import build_parser, main


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["prepare", "aid", "s", "d", "--scale", "x"], "argument --scale: 'x' is not a whole number from 2 to 16"),
        (["prepare", "aid", "s", "d", "--scale", "1"], "argument --scale: '1' is not a whole number from 2 to 16"),
        (["prepare", "aid", "s", "d", "--jobs", "2.5"], "argument --jobs: '2.5' is not a whole number from 1"),
        (["prepare", "aid", "s", "d", "--val", "nan"], "argument --val: 'nan' is not a number"),
        (["prepare", "aid", "s", "d", "--val", "2.5"], "argument --val: '2.5' is neither a fraction below 1 nor"),
        (["prepare", "aid", "s", "d", "--range", "0", "many"], "argument --range: 'many' is not a number"),
        (["explain", "-opt", "o.yml", "--top", "none"], "argument --top: 'none' is not a whole number from 1"),
        (["reproduce", "--seeds", "0", "a"], "argument --seeds: 'a' is not a whole number"),
        (["evaluate", "--scale", "four"], "argument --scale: 'four' is not a whole number"),
        (["report", "run", "--images", ""], "argument --images: '' is not a whole number"),
    ],
)
def test_a_wrong_value_is_told_in_words(argv, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and message in error and "invalid" not in error


def parsers(parser):
    yield parser
    for action in parser._subparsers._group_actions if parser._subparsers else ():
        for below in action.choices.values():
            yield from parsers(below)


def test_help_prints_per_cent_signs_once():
    texts = [parser.format_help() for parser in parsers(build_parser())]
    assert len(texts) > 15 and not [text for text in texts if "%%" in text]
    assert any("95 % intervals" in text for text in texts)


def test_an_interruption_says_how_to_go_on(monkeypatch, capsys, tmp_path):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "prepare", interrupted)
    assert main(["prepare", "folder", str(tmp_path), str(tmp_path / "d")]) == 130
    assert capsys.readouterr().err == "Interrupted. What was finished is kept; run the same command to go on.\n"
