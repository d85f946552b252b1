"""Every command that the documentation shows is one that its parser takes, with files that are there."""

import argparse
import os
import re
import shlex
from pathlib import Path

import pytest

from tests.support import ROOT

DOCUMENTS = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("datasets/*.md"), *ROOT.glob("docs/**/*.md")} - {ROOT / "CHANGELOG.md"}
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:segsr|basicsr|make|python) [^`\n]+)`")
# Programs of others: what they are given is theirs to check.
OTHERS = {".", "git", "pre-commit", "tensorboard", "uv", "cd"}


def blocks(path):
    """Lines of commands in the shell blocks of a document, without comments."""
    for language, block in BLOCK.findall(path.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines() if language == "sh" else ():
            for part in re.split(r"\s&&\s", re.sub(r"(^|\s)#.*$", "", line.removeprefix("$ ")).strip()):
                if part:
                    yield part


def shown():
    for path in DOCUMENTS:
        for line in dict.fromkeys(blocks(path)):
            yield pytest.param(line, id=f"{path.relative_to(ROOT)}: {line}")


def programs():
    """The parsers of our commands."""
    from segsr_arch.cli import basicsr, segsr

    return {"segsr": segsr.build_parser(), "basicsr": basicsr.build_parser()}


def without_redirection(words):
    return words[: words.index(">")] if ">" in words else words


def check(words):
    """Let the parser of a program take its words."""
    while re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    program, *arguments = without_redirection(words)
    if program == "torchrun":
        program, arguments = "python", arguments[arguments.index("-m") :]
    if program == "python" and arguments[0] == "-m" and arguments[1].startswith("segsr_arch.cli."):
        program, arguments = arguments[1].rsplit(".", 1)[1], arguments[2:]
    if program in ("segsr", "basicsr"):
        programs()[program].parse_args(arguments)
        files = [word for word in arguments if word.startswith("options/")]
        assert all((ROOT / name).is_file() for name in files), files
    elif program == "make":
        rules = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {word for word in arguments if "=" not in word} <= set(rules)
    elif program == "pip":
        extras = re.findall(r"^([a-z]+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
        wanted = re.findall(r"segsr-arch\[([a-z,]+)\]", " ".join(arguments))
        assert arguments[0] == "install" and {name for names in wanted for name in names.split(",")} <= set(extras)
    elif program == "python" and arguments[0] == "-m":
        assert arguments[1] == "venv"
    elif program == "python":
        text = (ROOT / arguments[0]).read_text(encoding="utf-8")
        flags = {word.partition("=")[0] for word in arguments if word.startswith("--")}
        assert flags <= set(re.findall(r'"(--[a-z-]+)"', text))
    else:
        assert program in OTHERS or program.startswith("site/"), f"what is {program}?"


@pytest.mark.parametrize("line", list(shown()))
def test_a_command_is_taken_by_its_parser(line, capsys):
    try:
        check(shlex.split(line))
    except SystemExit as stop:
        if stop.code:
            pytest.fail(capsys.readouterr().err.strip().splitlines()[-1])


def flags_of(parser):
    return {flag for action in parser._actions for flag in action.option_strings}


def deepest(parser, words):
    """The parser of the subcommands that words name, and what is left of the words."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and words and words[0] in action.choices:
            return deepest(action.choices[words[0]], words[1:])
    return parser, words


def test_commands_in_sentences_name_what_exists():
    """``segsr figure compare --image NAME`` in a sentence: the subcommand and the flags are there."""
    parsers, wrong, count = programs(), [], 0
    rules = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for path in DOCUMENTS:
        for text in INLINE.findall(path.read_text(encoding="utf-8")):
            program, *words = text.replace("|", " ").split()
            count += 1
            if program == "make":
                fine = all("=" in word or word in rules for word in words)
            elif program == "python":
                fine = words[0] == "-m" or not words[0].endswith(".py") or (ROOT / words[0]).is_file()
            else:
                parser, left = deepest(parsers[program], words)
                known = flags_of(parser)
                fine = all(word.strip("[]").partition("=")[0] in known for word in left if word.startswith("-"))
                fine &= parser is not parsers[program] or bool(left and left[0].startswith("-"))
            if not fine:
                wrong.append(f"{path.relative_to(ROOT)}: {text}")
    assert count > 20 and not wrong, "\n".join(wrong)


def test_documents_link_to_what_is_there():
    wrong = []
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            name = target.partition("#")[0]
            if re.match(r"[a-z]+:", target) or not name:
                continue
            if not Path(os.path.normpath(path.parent / name)).exists():
                wrong.append(f"{path.relative_to(ROOT)}: {target}")
    assert not wrong, "\n".join(wrong)


def test_the_readme_is_short_and_says_how_to_begin():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    commands = list(blocks(ROOT / "README.md"))
    assert commands[:2] == ["make demo", "make test"] and "![" in "\n".join(lines)
