"""The distribution: what its wheel holds, and that the commands which are told install it."""

import configparser
import email
import importlib
import os
import re
import shutil
import sys
import zipfile

import pytest

import segsr_arch
from segsr_arch.metrics.catalogue import CATALOGUE
from tests.support import ROOT, run_command

MODEL = {f"segsr_arch/named_models/files/example.{ending}" for ending in ("yml", "safetensors")}
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the source: a build leaves folders in it."""
    folder = tmp_path_factory.mktemp("distribution")
    source = folder / "source"
    os.makedirs(source)
    for name in ("pyproject.toml", "setup.py", "segsr_commands.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("segsr_arch", "datasets", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in MODEL:  # whether or not one comes with the package
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(b"")
    built = run_command([sys.executable, "-c", BUILD, folder], cwd=source)
    assert built.returncode == 0, built.stderr
    assert "Package would be ignored" not in built.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def read(wheel, name):
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def test_its_name_is_not_that_of_the_papers_code_and_its_version_is_the_packages(wheel):
    metadata = email.message_from_string(read(wheel, "METADATA"))
    assert metadata["Name"] == "segsr-arch"
    assert metadata["Version"] == segsr_arch.__version__


def test_holds_every_file_of_the_package_and_nothing_beside_it(wheel):
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    lists = {f"segsr_arch/preparation/split_lists/{path.name}" for path in (ROOT / "datasets/splits").glob("*.txt")}
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "segsr_arch").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert held == package | lists | MODEL | {"segsr_commands.py"}
    assert len(lists) == 3
    assert "segsr_arch/py.typed" in held


def test_commands_of_the_wheel_are_functions(wheel):
    scripts = configparser.ConfigParser()
    scripts.read_string(read(wheel, "entry_points.txt"))
    assert set(scripts["console_scripts"]) == {"basicsr", "segsr"}
    for target in scripts["console_scripts"].values():
        module, _, name = target.partition(":")
        assert f"{module.replace('.', '/')}.py" in wheel.namelist()
        assert callable(getattr(importlib.import_module(module), name))


def test_what_the_package_tells_to_install_is_there(wheel):
    metadata = email.message_from_string(read(wheel, "METADATA"))
    told = set()
    for path in (ROOT / "segsr_arch").rglob("*.py"):
        told |= set(re.findall(r"([\w-]*segsr[\w-]*)\[([\w-]+)\]", path.read_text("utf-8")))
    extras = set(metadata.get_all("Provides-Extra"))
    told = {(name, extra) for name, extra in told if extra in extras or name == "segsr-arch"}
    told |= {("segsr-arch", metric.extra) for metric in CATALOGUE.values() if metric.extra}
    assert told == {
        ("segsr-arch", extra) for extra in ("app", "diffusion", "export", "iqa", "perceptual", "ray", "zoo")
    }
    assert {extra for _, extra in told} <= extras
