"""The Python that the documentation shows does what its comments say."""

import re

import pytest
import torch

from segsr_arch.archs.mssd_arch import MSSD
from tests.support import ROOT, TINY_MSSD


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "docs/howto/python.md"])
def test_a_block_runs_and_gives_the_shapes_of_its_comments(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    block = re.search(r"```python\n(import segsr_arch.*?)```", text, re.DOTALL)[1]
    found = {"lq": torch.rand(1, 3, 12, 16)}
    with torch.no_grad():
        exec(compile(block, name, "exec"), found)
    assert found["sr"].shape == (1, 3, 48, 64)
    if "maps" in found:
        assert found["maps"].shape == (1, 6, 12, 16) and found["maps"].abs().max() <= 1


def test_the_sample_on_the_page_of_mssd_keeps_no_graph():
    text = (ROOT / "docs/mssd.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    torch.manual_seed(0)
    network = MSSD(scale=2, **TINY_MSSD, correction="none").eval()
    found = {"torch": torch, "network": network, "lq": torch.rand(1, 3, 8, 8)}
    exec(compile(block, "docs/mssd.md", "exec"), found)
    assert found["sr"].shape == (1, 3, 16, 16) and not found["sr"].requires_grad
    assert network(found["lq"], seed=0).requires_grad, "trainings on losses between images go through the sample"
