import subprocess

import pytest

from segsr_arch.results import provenance


def git(folder, *arguments):
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    return subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder in which the module seems to lie."""
    module = tmp_path / "segsr_arch/results/provenance.py"
    module.parent.mkdir(parents=True)
    module.write_text("# code\n")
    monkeypatch.setattr(provenance, "__file__", str(module))
    return tmp_path


def test_figures_name_the_commit_of_the_code_and_whether_it_was_changed(checkout):
    assert provenance.describe_run(images=[], seed=0)["commit"] is None, "no checkout"
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "a commit")
    git(checkout, "tag", "v1")
    commit = git(checkout, "rev-parse", "--short=12", "HEAD")
    assert provenance.describe_run(images=[], seed=0)["commit"] == commit
    (checkout / "segsr_arch/results/provenance.py").write_text("# other code\n")
    assert provenance.describe_run(images=[], seed=0)["commit"] == f"{commit}-changed"


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    (checkout / ".git").mkdir()
    assert provenance.describe_run(images=[], seed=0)["commit"] is None, "no checkout that git knows"
    monkeypatch.setenv("PATH", "")
    assert provenance.describe_run(images=[], seed=0)["commit"] is None
