"""The distribution: its name is not that of the public code of SeG-SR, and commands that are told install it."""

import re
import runpy

import setuptools

from tests.support import ROOT


def test_what_the_package_tells_to_install_is_there(monkeypatch):
    given = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path(str(ROOT / "setup.py"))
    assert given["name"] == "segsr-arch"
    assert {package.partition(".")[0] for package in given["packages"]} == {"segsr_arch"}
    told = set()
    for path in (ROOT / "segsr_arch").rglob("*.py"):
        told |= set(re.findall(r"([\w-]*segsr[\w-]*)\[([\w-]+)\]", path.read_text("utf-8")))
    told = {(name, extra) for name, extra in told if extra in given["extras_require"] or name == "segsr-arch"}
    assert told == {("segsr-arch", extra) for extra in ("export", "iqa", "perceptual", "zoo")}
    assert told <= {("segsr-arch", extra) for extra in given["extras_require"]}
