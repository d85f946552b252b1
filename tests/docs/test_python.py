"""The Python that the documentation shows does what its comments say."""

import re

import pytest
import torch

from tests.support import ROOT


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
