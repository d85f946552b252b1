"""The page on degradations shows chains that can be read, and names all that there is."""

import re

import numpy as np
import yaml

from segsr_arch.degradations.chain import NAMED_CHAINS, STEPS, Chain
from segsr_arch.degradations.step import STAGES
from tests.support import ROOT

TEXT = (ROOT / "docs" / "degradations.md").read_text(encoding="utf-8")


def test_the_chain_that_it_shows_can_be_read():
    shown = yaml.safe_load(re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[1])["degradation"]
    assert [step.name for step in Chain.read(shown, scale=4).steps] == [step["type"] for step in shown]


def test_it_names_every_chain_and_puts_every_step_into_its_stage():
    chains = TEXT.split("| key | |")[0]  # what the items of a data set hold is listed behind
    first_cells = re.findall(r"^\| (?:`([\w-]+)`|\d\. (\w+))", chains, re.MULTILINE)
    assert [name for name, _ in first_cells if name] == list(NAMED_CHAINS)
    assert tuple(stage for _, stage in first_cells if stage)[: len(STAGES)] == STAGES
    for name, step in STEPS.items():
        (row,) = re.findall(rf"^\| \d\. {step.stage}\b.*", TEXT, re.MULTILINE)
        assert f"`{name}`" in row


def test_its_python_runs(capsys):
    block = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]
    exec(compile(block, "degradations.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "x4" in printed and str((16, 16, 3)) in printed


def test_its_width_for_an_mtf_is_that_of_the_chain():
    width, mtf, scale = re.search(r"([\d.]+) HR pixels for an MTF of ([\d.]+) at x(\d)", TEXT).groups()
    chain = Chain.read([{"type": "mtf", "nyquist": float(mtf)}], scale=int(scale))
    record = chain.apply(np.zeros((16, 16, 1), np.uint8), np.random.default_rng(0)).record
    assert f"{record['steps'][0]['sigma']:.3f}" == width
