"""What guides a network knows torch, open_clip and peft: neither BasicSR nor any network by name."""

import ast
from pathlib import Path

import pytest

import segsr_arch

PACKAGE = Path(segsr_arch.__file__).parent
UNKNOWN = {
    "semantics": ("basicsr", "segsr_arch.compat", "segsr_arch.zoo", "segsr_arch.archs", "segsr_arch.guiding"),
    "guiding": ("basicsr", "segsr_arch.compat", "segsr_arch.zoo", "segsr_arch.archs"),
    "zoo": ("segsr_arch.archs",),
}


def imported(path):
    """Names of all modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("room", UNKNOWN)
def test_arrows_point_one_way(room):
    files = sorted((PACKAGE / room).rglob("*.py"))
    assert len(files) > 2
    wrong = [
        f"{path.name}: {name}"
        for path in files
        for name in imported(path)
        if any(f"{name}.".startswith(f"{unknown}.") for unknown in UNKNOWN[room])
    ]
    assert wrong == []
