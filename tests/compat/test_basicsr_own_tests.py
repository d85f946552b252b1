"""BasicSR's own tests pass with this package, on the CPU.

They are in no archive that pip fetches, and are not copied here: the test takes a checkout of the release from the
environment variable ``BASICSR_SOURCE``, or fetches one with git.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from tests.support import ROOT, run_command

SOURCE = "https://github.com/XPixelGroup/BasicSR"
RELEASE = "v1.4.2"
COUNT = 19
# What a machine without GPU and network needs. VGG's weights are random: no test looks at values that they give.
PLUGIN = """\
import segsr_arch, torch, torchvision
from basicsr.models.base_model import BaseModel

torch.Tensor.cuda = torch.nn.Module.cuda = lambda self, *args, **kwargs: self
vgg19, init = torchvision.models.vgg19, BaseModel.__init__
torchvision.models.vgg.vgg19 = lambda pretrained=False: vgg19()

def on_cpu(self, opt):
    opt["num_gpu"] = 0
    init(self, opt)

BaseModel.__init__ = on_cpu
"""


@pytest.fixture
def own_tests(tmp_path):
    """The folder ``tests`` of a checkout, copied; the images that git ignores there are taken from its LMDBs."""
    checkout = os.environ.get("BASICSR_SOURCE")
    if checkout is None:
        checkout = tmp_path / "checkout"
        command = ["git", "clone", "--quiet", "--depth", "1", "--branch", RELEASE, SOURCE, str(checkout)]
        try:
            quiet = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env=quiet)
        except FileNotFoundError:
            pytest.skip("git is not installed; BASICSR_SOURCE=/path/to/BasicSR names a checkout")
        except subprocess.TimeoutExpired:
            pytest.skip(f"{SOURCE} does not answer; BASICSR_SOURCE=/path/to/BasicSR names a checkout")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"{error.stderr.strip()}; BASICSR_SOURCE=/path/to/BasicSR names a checkout")
    tests = Path(shutil.copytree(Path(checkout) / "tests", tmp_path / "tests"))
    for folder in (tests / "data/gt", tests / "data/lq"):
        folder.mkdir(exist_ok=True)
        with lmdb.open(f"{folder}.lmdb", readonly=True, lock=False) as environment, environment.begin() as transaction:
            for key, content in transaction.cursor():
                (folder / f"{key.decode()}.png").write_bytes(content)
    return tests


@pytest.mark.slow
def test_they_pass_where_tensors_stay_on_the_cpu(own_tests):
    (own_tests / "stay_on_cpu.py").write_text(PLUGIN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "stay_on_cpu", "tests"]
    process = run_command(command, cwd=own_tests.parent, seconds=500, PYTHONPATH=f"{own_tests}:{ROOT}")
    assert process.returncode == 0, process.stdout + process.stderr
    assert re.search(rf"^{COUNT} passed", process.stdout, re.MULTILINE), process.stdout
