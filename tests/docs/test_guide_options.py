"""What the documentation says of the guide's options, presets, controls and rows is what the code has."""

import re
from dataclasses import fields

import yaml

from segsr_arch.models.train_options import GuideTrainOptions
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.semantics import SemanticsConfig
from segsr_arch.semantics.config import PRESETS
from tests.support import ROOT

GUIDE, REPRODUCE = (ROOT / "docs/howto" / name for name in ("guide.md", "reproduce.md"))
# About the vision-language model and sizes, which the reference of options tells of.
ELSEWHERE = (
    "vlm pretrained lora_alpha lora_dropout num_heads metanet_reduction modulation_channels random_seed cache_dir"
)


def table(path, header):
    """Cells of the rows of the table that begins with this header."""
    _, _, rest = path.read_text(encoding="utf-8").partition(f"\n| {header} |")
    for line in re.split(r"\n\|---.*\n", rest, maxsplit=1)[1].splitlines():
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def quoted(text):
    return re.findall("`([^`]+)`", text)


def test_every_option_of_the_guide_is_told_with_its_default_first_and_all_choices():
    known, told = {item.name: item for item in fields(SemanticsConfig)}, set()
    for names, values, _ in table(GUIDE, "option"):
        parts = values.split(";")
        for name, part in zip(quoted(names), parts, strict=True):
            shown = [yaml.safe_load(value) for value in quoted(part)]
            assert shown[0] == known[name].default, name
            assert not known[name].metadata["choices"] or set(shown) == set(known[name].metadata["choices"]), name
            if isinstance(known[name].default, bool):
                assert sorted(shown) == [False, True], name
            told.add(name)
    assert told == set(known) - set(ELSEWHERE.split())
    penalty = {item.name: item.default for item in fields(GuideTrainOptions)}["unit_penalty"]
    assert f"`train: unit_penalty` (default {penalty:g})" in GUIDE.read_text(encoding="utf-8")


def test_presets_set_what_is_told():
    told = {
        quoted(name)[0]: yaml.safe_load("\n".join(quoted(sets))) or {} for name, sets in table(GUIDE, "`preset` | sets")
    }
    assert told == {name: dict(sets) for name, sets in PRESETS.items()}


def test_controls_are_all_but_the_guide_itself():
    choices = next(item for item in fields(SemanticsConfig) if item.name == "maps").metadata["choices"]
    assert [quoted(name)[0] for name, *_ in table(GUIDE, "`maps` | what units get")] == [
        name for name in choices if name != "own"
    ]


def test_rows_of_extra_are_told_by_number_and_name():
    labels, told = [row.label for row in make_table("extra").rows], {}
    for numbers, names, _ in table(REPRODUCE, "rows"):
        first, _, last = numbers.partition(" to ")
        listed = range(int(first), int(last) + 1) if last else [int(number) for number in numbers.split(", ")]
        told |= dict(zip(listed, quoted(names), strict=True))
    assert [told[number] for number in sorted(told)] == labels
