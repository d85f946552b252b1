import errno
import os
import sys

import pytest
import yaml
from basicsr.utils import dist_util
from basicsr.utils.options import copy_opt_file

from segsr_arch.errors import SaveError


def test_the_copy_says_when_and_how_and_is_the_file_below(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["basicsr", "train", "--force_yml", "name=a\nb: injected"])
    (tmp_path / "ä.yml").write_bytes("name: Größe\r\n".encode())
    (tmp_path / "experiment").mkdir()
    copy_opt_file(tmp_path / "ä.yml", tmp_path / "experiment")
    content = (tmp_path / "experiment/ä.yml").read_bytes()
    assert content.startswith(b"# GENERATE TIME: ") and content.endswith("\n\nname: Größe\r\n".encode())
    assert b"# basicsr train --force_yml name=a\\nb: injected\n" in content
    assert yaml.safe_load(content) == {"name": "Größe"}


def test_a_full_disk_leaves_no_part_of_it(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "a.yml").write_text("name: a\n")
    (tmp_path / "experiment").mkdir()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SaveError, match=r"Cannot write .*experiment/a\.yml: No space left"):
        copy_opt_file(tmp_path / "a.yml", tmp_path / "experiment")
    assert os.listdir(tmp_path / "experiment") == []


def test_only_the_first_process_writes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(dist_util, "get_dist_info", lambda: (1, 2))
    copy_opt_file(tmp_path / "a.yml", tmp_path / "not made yet")
    assert os.listdir(tmp_path) == []
