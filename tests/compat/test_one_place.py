"""Only ``segsr_arch/compat`` may touch BasicSR from outside: found in the source, assignment by assignment."""

import ast
from pathlib import Path

import pytest

import segsr_arch

PACKAGE = Path(segsr_arch.__file__).parent
ELSEWHERE = sorted(path for path in PACKAGE.rglob("*.py") if PACKAGE / "compat" not in path.parents)
_SETTERS = ("setattr", "delattr", "replaced", "substitute")


def names_of_basicsr(tree):
    """Names that a module binds to BasicSR, or to a part of it, wherever it imports them."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bound = ((alias.asname or alias.name.partition(".")[0], alias.name) for alias in node.names)
            names |= {name for name, module in bound if f"{module}.".startswith("basicsr.")}
        elif isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("basicsr."):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def root(node):
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def patches(source):
    """Lines that assign to BasicSR, or hand it to a function that does."""
    tree = ast.parse(source)
    names, lines = names_of_basicsr(tree), []
    for node in ast.walk(tree):
        targets = []
        if isinstance(node, (ast.Assign, ast.Delete)):
            targets = node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            targets = [node.target]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", None)) in _SETTERS:
            targets = [ast.Attribute(argument, "any") for argument in node.args[:1]]
        lines += [
            node.lineno
            for target in targets
            if isinstance(target, (ast.Attribute, ast.Subscript)) and root(target) in names
        ]
    return lines


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_basicsr_is_touched_in_compat_alone(path):
    assert patches(path.read_text(encoding="utf-8")) == [], "move it to segsr_arch/compat"


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import basicsr.train\nbasicsr.train.build_model = print\n", [2]),
        ("def f():\n    from basicsr.utils import options\n    with replaced(options, 'random', 1): pass\n", [3]),
        ("from basicsr.models.base_model import BaseModel as B\nsetattr(B, 'save', print)\ndel B.save\n", [2, 3]),
        ("import basicsr\nbasicsr.utils.logger.initialized_logger['x'] = 1\n", [2]),
        ("from basicsr.utils import imwrite\nimwrite = print\nx.y = imwrite\n", []),
        ("import torch\ntorch.load = print\nreplaced(torch, 'load', 1)\n", []),
    ],
)
def test_what_is_found(source, lines):
    assert sorted(patches(source)) == lines
