"""Which basicsr is used: copies of other versions beside a program, cut down to what it needs."""

import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

import basicsr
import pytest

from segsr_arch.compat import installation
from segsr_arch.compat.installation import (
    Installation,
    describe_another,
    find_installation,
    importing_from,
    shadowed_by,
)
from segsr_arch.compat.repairs import version as version_repair
from segsr_arch.errors import DependencyError
from tests.compat.helpers import make_pairs, write_options
from tests.support import ROOT, run_command

RELEASE = Path(basicsr.__file__).parent
# What programs leave out of their copies.
LEFT_OUT = (
    *("data/degradations.py", "data/realesrgan_dataset.py", "metrics/fid.py", "version.py"),
    *("archs/basicvsr_arch.py", "archs/basicvsrpp_arch.py", "archs/edvr_arch.py", "archs/stylegan2_arch.py"),
    *("archs/stylegan2_bilinear_arch.py", "archs/inception.py", "archs/duf_arch.py", "archs/tof_arch.py"),
    *("archs/hifacegan_arch.py", "archs/hifacegan_util.py", "archs/dfdnet_arch.py", "archs/dfdnet_util.py"),
    *("models/edvr_model.py", "models/esrgan_model.py", "models/hifacegan_model.py", "models/realesrgan_model.py"),
    *("models/realesrnet_model.py", "models/stylegan2_model.py", "models/swinir_model.py", "models/srgan_model.py"),
    *(f"models/video_{name}_model.py" for name in ("base", "gan", "recurrent", "recurrent_gan")),
)


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """Make a folder ``basicsr`` that Python finds first, with these files, as if none had been imported yet."""

    def make(**files):
        (tmp_path / "basicsr").mkdir()
        for name, text in files.items():
            (tmp_path / "basicsr" / f"{name}.py").write_text(text)
        return tmp_path / "basicsr"

    monkeypatch.syspath_prepend(tmp_path)
    for name in ("basicsr", "basicsr.version"):
        monkeypatch.delitem(sys.modules, name)
    return make


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("# GENERATED\n__version__ = '9.8.7'\n", "9.8.7"),
        ('__version__="1.3.5"', "1.3.5"),
        ("short = 1\n__version__\t=   '1.4.2+cu'\nversion_info = (1, 4, 2)", "1.4.2+cu"),
        ("", None),
        ("__version__ = read()", None),
    ],
)
def test_the_version_is_read_and_not_imported(copy, text, version):
    folder = copy(__init__="raise RuntimeError('imported')", version=text)
    assert find_installation() == Installation(folder, version)
    assert version_repair.repair() is False


def test_a_copy_without_version_file_says_what_lies_beside_it(copy, monkeypatch):
    folder = copy(__init__="")
    assert find_installation() == Installation(folder, None)
    (folder.parent / "VERSION").write_text("1.3.4.8\n")
    assert find_installation() == Installation(folder, "1.3.4.8")
    assert version_repair.repair() is True
    module = sys.modules["basicsr.version"]
    assert (module.__version__, module.version_info, module.__gitsha__) == ("1.3.4.8", (1, 3, 4, 8), "unknown")
    assert find_installation().version == "1.3.4.8"


def test_a_file_of_that_name_is_no_package(monkeypatch, tmp_path):
    (tmp_path / "basicsr.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in ("basicsr", "basicsr.version"):
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(DependencyError, match=rf"{tmp_path}/basicsr\.py has the name .* it is a file\. Rename it"):
        find_installation()


def test_a_folder_of_that_name_is_no_package(monkeypatch, tmp_path):
    (tmp_path / "basicsr").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in ("basicsr", "basicsr.version"):
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(DependencyError, match=rf"{tmp_path}/basicsr has the name .* lacks __init__\.py\. Rename it"):
        find_installation()
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(DependencyError, match=r"basicsr \(1\.4\.2\) is not installed.*compat/install_basicsr\.py"):
        find_installation()


def test_the_release_alone_needs_no_words():
    used = find_installation()
    assert used == Installation(RELEASE, "1.4.2") and shadowed_by(used) is None
    assert describe_another(used, repairs=["resume"], left_out=["fid"]) is None


def test_a_hidden_installation_is_named_with_its_folder(copy):
    used = Installation(copy(__init__=""), "1.4.2")
    hidden = Installation(Path(metadata.distribution("basicsr").locate_file("basicsr")), "1.4.2")
    assert shadowed_by(used) == hidden
    text = describe_another(used, repairs=[], left_out=[])
    assert f"basicsr 1.4.2 in {used.folder} is used" in text and f"It hides basicsr 1.4.2 in {hidden.folder}." in text
    assert f"start Python in another folder than {used.folder.parent}" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("distutils", "pip install setuptools"),
        ("facexlib", "basicsr 1.3.5 in /made/basicsr cannot be imported .*Install what it needs"),
        ("basicsr.losses", r"lacks something that segsr_arch needs .*pip install basicsr==1\.4\.2"),
    ],
)
def test_an_import_that_fails_is_a_sentence(monkeypatch, name, words):
    monkeypatch.setattr(installation, "shadowed_by", lambda used: None)
    with pytest.raises(DependencyError, match=words), importing_from(Installation(Path("/made/basicsr"), "1.3.5")):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.slow
def test_a_cut_down_copy_trains_and_resumes_with_one_more_line(tmp_path):
    """A program that brings basicsr with it and starts its train.py by path, as most of this field's do."""
    shutil.copytree(RELEASE, tmp_path / "basicsr", ignore=shutil.ignore_patterns("__pycache__"))
    for name in LEFT_OUT:
        path = tmp_path / "basicsr" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (tmp_path / "basicsr/__init__.py").write_text("from .archs import *\nfrom .data import *\n")
    (tmp_path / "VERSION").write_text("1.3.5")
    train = tmp_path / "basicsr/train.py"
    train.write_text(f"import segsr_arch\n{train.read_text()}")
    gt, lq = make_pairs(tmp_path)
    for iterations, flags in ((2, ()), (4, ("--auto_resume",))):
        options = write_options(tmp_path / "tiny.yml", gt, lq, iterations=iterations)
        command = [sys.executable, "-W", "always", "basicsr/train.py", "-opt", options, *flags]
        process = run_command(command, cwd=tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}")
        assert process.returncode == 0, process.stderr
        assert f"basicsr 1.3.5 in {tmp_path}/basicsr is used" in process.stderr
        repaired = re.search(r"Repaired in it: (.+?)\.", process.stderr)[1].split(", ")
        assert {"version", "images", "list_reading", "resume", "saving"} <= set(repaired)
    assert [path.name for path in (tmp_path / "experiments").iterdir()] == ["tiny"], "the run went on"
    states = tmp_path / "experiments/tiny/training_states"
    assert {path.name for path in states.iterdir()} == {"2.state", "4.state"}
