import os
import runpy
import subprocess
import sys
import tarfile

import pytest

from segsr_arch.compat import install_basicsr
from segsr_arch.compat.install_basicsr import main, repair_archive
from tests.support import ROOT

SCRIPT = ROOT / "segsr_arch" / "compat" / "install_basicsr.py"

# Has the parts of the real one that matter here: the function that fails since Python 3.13, and a line after it.
SETUP = """\
from setuptools import setup
version_file = 'basicsr/version.py'

def get_version():
    with open(version_file, 'r') as f:
        exec(compile(f.read(), version_file, 'exec'))
    return locals()['__version__']

def unrelated():
    return locals()

if __name__ == '__main__':
    setup(
        name='basicsr',
        version=get_version(),
        packages=['basicsr'])
"""


def unpack(folder, version="1.4.2", setup=SETUP):
    (folder / "basicsr").mkdir(parents=True)
    (folder / "setup.py").write_text(setup)
    (folder / "VERSION").write_text(version + "\n")
    (folder / "basicsr" / "version.py").write_text(f"__version__ = '{version}'\n")
    (folder / "basicsr" / "__init__.py").touch()
    return folder


def call_get_version(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return runpy.run_path("setup.py")["get_version"]()


@pytest.mark.skipif(sys.version_info < (3, 13), reason="fails since Python 3.13")
def test_the_released_function_fails(tmp_path, monkeypatch):
    with pytest.raises(KeyError, match="__version__"):
        call_get_version(unpack(tmp_path), monkeypatch)


def test_the_function_is_repaired_and_nothing_else(tmp_path, monkeypatch):
    assert repair_archive(unpack(tmp_path))
    assert call_get_version(tmp_path, monkeypatch) == "1.4.2"
    text = (tmp_path / "setup.py").read_text()
    assert text.partition("def get_version")[0] == SETUP.partition("def get_version")[0]
    assert text.partition("def unrelated")[2] == SETUP.partition("def unrelated")[2]
    assert not repair_archive(tmp_path), "only once"


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "1.4.3"},
        {"setup": SETUP.replace("name='basicsr'", "name='other'")},
        {"setup": SETUP.replace("locals()['__version__']", "'1.4.2'")},
    ],
)
def test_other_archives_are_left_alone(tmp_path, changes):
    before = (unpack(tmp_path, **changes) / "setup.py").read_text()
    assert not repair_archive(tmp_path)
    assert (tmp_path / "setup.py").read_text() == before


def test_folder_without_an_archive(tmp_path):
    assert not repair_archive(tmp_path)


def test_already_installed(tmp_path):
    command = [sys.executable, SCRIPT]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert process.returncode == 0
    assert "basicsr 1.4.2 is already installed" in process.stdout


def test_it_needs_the_standard_library_only():
    process = subprocess.run([sys.executable, "-S", "-I", "-c", f"import runpy; runpy.run_path({str(SCRIPT)!r})"])
    assert process.returncode == 0


def versions(monkeypatch, **found):
    monkeypatch.setattr(install_basicsr, "installed_version", lambda name: found.get(name))


def test_without_pip(monkeypatch, capsys):
    versions(monkeypatch)
    assert main([]) == 2
    assert "-m ensurepip" in capsys.readouterr().err


def test_missing_build_tools_are_installed_first(monkeypatch):
    versions(monkeypatch, pip="1")
    calls = []
    monkeypatch.setattr(install_basicsr, "run_pip", lambda arguments, **_: calls.append(arguments) or 7)
    assert main([]) == 7
    assert calls == [["setuptools<82", "wheel"]]


@pytest.mark.parametrize("theirs", [None, "print('theirs')"])
def test_repair_at_start_is_silent_and_lets_others_have_their_turn(tmp_path, theirs):
    folder, own = unpack(tmp_path / "archive"), tmp_path / "own"
    own.mkdir()
    if theirs:
        (own / "sitecustomize.py").write_text(theirs)
    ours = tmp_path / "ours"
    ours.mkdir()
    content = install_basicsr.SITECUSTOMIZE.format(script=str(SCRIPT), folder=str(ours))
    (ours / "sitecustomize.py").write_text(content)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ours), str(own)])}
    command = [sys.executable, "-c", "pass"]
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert (process.stdout, process.stderr) == ("theirs\n" if theirs else "", "")
    assert not repair_archive(folder), "it has been repaired"


def make_archive(path):
    with tarfile.open(path, "w:gz") as archive:
        source = unpack(path.parent / "source")
        (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: basicsr\nVersion: 1.4.2\n")
        archive.add(source, "basicsr-1.4.2")


@pytest.mark.slow
def test_pip_builds_the_repaired_archive(tmp_path, monkeypatch, capsys):
    make_archive(tmp_path / "basicsr-1.4.2.tar.gz")
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import os; open(os.environ['SEEN'], 'a').write('x')")
    monkeypatch.setenv("PYTHONPATH", str(own))
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    versions(monkeypatch, pip="1", setuptools="1", wheel="1")
    target = tmp_path / "target"
    options = ["--no-index", "--find-links", str(tmp_path), "--no-deps", "--target", str(target)]
    assert main(options) == 2, "this environment is said to lack it still"
    assert "pip reported success, but" in capsys.readouterr().err
    assert (target / "basicsr" / "version.py").read_text() == "__version__ = '1.4.2'\n"
    assert (tmp_path / "seen").exists(), "the user's own sitecustomize runs, too"
    assert not [name for name in os.listdir(tmp_path) if name.startswith("basicsr-build")]
