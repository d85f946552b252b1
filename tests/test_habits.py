"""What is run at each commit, and on other versions of Python and of the packages."""

import itertools
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.support import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_each_commit_is_checked_by_what_make_lint_runs():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook["entry"] for repository in config["repos"] for hook in repository["hooks"]]
    made = subprocess.run(["make", "-n", "lint"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"python -m (?:ruff|mypy).*", made)
    assert [command.replace(" --check", "").removesuffix(" .") for command in commands] == hooks
    assert len(hooks) == 3


@pytest.fixture
def matrix(tmp_path):
    """Run ``make matrix`` where there is no Python; returns what it prints, and the versions it calls the oldest."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "grep", "make", "mkdir", "sed", "sh", "tr"):
        (tools / name).symlink_to(shutil.which(name))
    variables = {"PATH": str(tools), "PYENV_ROOT": str(tmp_path), "HOME": str(tmp_path), "MATRIX": str(tmp_path)}
    command = ["/usr/bin/env", "bash", str(ROOT / ".ci/matrix")]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout, (tmp_path / "oldest.txt").read_text().splitlines()


def test_the_matrix_says_what_it_skips(matrix):
    said, _ = matrix
    assert re.findall(r"matrix: (\w+) is skipped: no such interpreter was found; (\w+)=", said) == [
        ("oldest", "OLDEST"),
        ("newest", "NEWEST"),
    ]


def test_the_oldest_versions_are_the_lower_bounds_that_have_no_upper_one(matrix):
    _, oldest = matrix
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = itertools.chain(project["dependencies"], *project["optional-dependencies"].values())
    bounds = (re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", each) for each in required)
    expected = [f"{bound[1]}=={bound[2]}.*" for bound in bounds if bound]
    assert sorted(oldest) == sorted(expected) and len(expected) > 25
