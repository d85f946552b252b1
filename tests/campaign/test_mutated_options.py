"""Option files with one thing wrong: they train, or they are refused in a sentence, and nothing else is touched."""

import copy

import pytest
import yaml

from tests.campaign.children import basicsr, in_child, needs_forks
from tests.campaign.tally import dice, series
from tests.cli.runs import make_options, make_pairs
from tests.support import TINY_SEMANTICS

pytestmark = [pytest.mark.campaign, needs_forks]
WHAT = "mutated option files"
SECONDS = 8  # a whole run takes one or two
VALUES = [
    *(None, True, 0, -1, 1, 3, 2.5, 1e9, 1e-300, float("nan"), float("inf"), 2**63, "", " ", "x", "..", "../x", "/"),
    *("a" * 300, "[", "\x1b[2J", "2020-13-01", "é", [], [[]], [1, 2], ["Adam"], {}, {"type": "x"}, {1: 2}),
]
TEXTS = ["2026-11-26", "!!set {a, b}", "!!python/name:os.system", "&a [*a]", "*nobody", "0x10", "{", "'", "\t", "<<: 1"]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A folder with images, and the options of a run on them of three iterations with a validation."""
    folder = tmp_path_factory.mktemp("options")
    make_pairs(folder / "pairs", count=4, size=32)
    opt = make_options(folder / "pairs", iterations=3, val_freq=3)
    opt["datasets"]["train"]["gt_size"] = 16
    opt["logger"]["save_checkpoint_freq"] = 3
    opt["val"]["metrics"]["psnr"]["test_y_channel"] = True
    guided = copy.deepcopy(opt)
    guided["model_type"] = "SeGSRModel"
    guided["network_g"] = {"type": "SemanticSR", "base": opt["network_g"], "units": 1, "semantics": TINY_SEMANTICS}
    guided["train"] |= {"amp": "bf16", "grad_clip": 1.0, "accumulate": 2}
    guided["tile"] = {"size": 8, "overlap": 2}
    return folder, [opt, guided]


def places(node, path=()):
    """Paths of all keys and entries below a node."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from places(value, (*path, key))


def section_of(opt, path):
    for key in path[:-1]:
        opt = opt[key]
    return opt


def mutate(opt, random):
    """An option file's text with one thing changed, and what was changed."""
    opt = copy.deepcopy(opt)
    path = random.choice(list(places(opt)))
    section, key = section_of(opt, path), path[-1]
    kind = random.choice(["drop", "value", "value", "value", "rename", "swap", "text", "line", "character"])
    if kind == "drop":
        del section[key]
    elif kind == "value":
        section[key] = random.choice(VALUES)
        return dump(opt), f"{':'.join(map(str, path))} = {section[key]!r}"
    elif kind == "rename" and isinstance(section, dict):
        section[random.choice([f"{key}s", str(key).upper(), 7, "", "type"])] = section.pop(key)
    elif kind == "swap":
        other = random.choice(list(places(opt)))
        there = section_of(opt, other)
        section[key], there[other[-1]] = copy.deepcopy(there[other[-1]]), copy.deepcopy(section[key])
    elif kind == "text":
        section[key] = "PLACE"
        return dump(opt).replace("PLACE", chosen := random.choice(TEXTS)), f"{path} = {chosen}"
    lines = dump(opt).splitlines(keepends=True)
    number = random.randrange(len(lines))
    if kind == "line":
        lines[number : number + 1] = random.choice(
            [[], [lines[number]] * 2, [" " + lines[number]], ["\t" + lines[number]]]
        )
    elif kind == "character":
        at = random.randrange(len(lines[number]))
        lines[number] = lines[number][:at] + random.choice(":-#{}[]&*!|>'\"%@`\0é ") + lines[number][at + 1 :]
    return "".join(lines), f"{kind} at {':'.join(map(str, path))} or line {number + 1}"


def dump(opt):
    return yaml.safe_dump(opt, sort_keys=False, allow_unicode=True)


@pytest.mark.parametrize(("number", "count"), series(300, each=50))
def test_each_trains_or_is_refused_in_a_sentence(tally, template, tmp_path, number, count):
    place, options = template
    for attempt in range(count):
        random = dice("options", number, attempt)
        text, change = mutate(random.choice(options), random)
        folder = tmp_path / f"here{attempt}" / "work"
        folder.mkdir(parents=True)
        (folder / "run.yml").write_text(text, encoding="utf-8")
        before = sorted(path.name for path in place.rglob("*"))
        ended = in_child(basicsr, "train", "-opt", "run.yml", cwd=folder, seconds=SECONDS)
        stray = [path.name for path in folder.parent.iterdir() if path != folder]
        if sorted(path.name for path in place.rglob("*")) != before:
            stray.append("something among the images")
        told = ended.code == 0 or (ended.code == 2 and "error: " in ended.output)
        ran_on = ended.code is None and "iter:" in ended.output  # a number of iterations without end is no fault
        if not (told or ran_on) or "Traceback" in ended.output or stray:
            tail = " | ".join(ended.output.strip().splitlines()[-4:])
            reason = f"{change}: exit {ended.code}, stray {stray}: {tail[-600:]}"
            tally.failed(WHAT, f"options/{number}/{attempt}", reason)
        else:
            tally.survived(WHAT)
    assert not tally.lost, tally.told
