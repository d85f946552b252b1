"""The console commands parse their arguments before anything large is imported."""

import json
import os
import resource
import subprocess
import sys

import pytest

from segsr_arch.cli import basicsr, segsr
from tests.cli.test_arguments import parsers
from tests.support import ROOT, run_command

LARGE = {"torch", "torchvision", "basicsr", "cv2", "scipy", "matplotlib", "yaml", "tqdm", "lmdb", "filelock"}
MOST_MODULES = 370  # Python itself has 60 when it starts, numpy 110; each command and each data set has one
MOST_CPU_SECONDS = 0.5
RUN_ALL = """\
import contextlib, io, json, sys
import segsr_commands
seen = {}
for arguments in json.loads(sys.argv[1]):
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as printed:
        sys.argv = ["command", *arguments[1:]]
        getattr(segsr_commands, arguments[0])()
    seen[" ".join(arguments)] = printed.getvalue()
print(json.dumps([seen, sorted(sys.modules)]))
"""


def helps():
    both = (segsr.build_parser(), basicsr.build_parser())
    return [[*parser.prog.split(), "--help"] for whole in both for parser in parsers(whole)]


def test_no_help_text_waits_for_torch(tmp_path):
    commands = [*helps(), ["segsr", "--version"], ["segsr"], ["basicsr"]]
    ended = run_command([sys.executable, "-c", RUN_ALL, json.dumps(commands)], cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    seen, modules = json.loads(ended.stdout.splitlines()[-1])
    assert len(seen) == len(commands) > 20
    assert all(text.startswith("usage: ") for command, text in seen.items() if command != "segsr --version")
    assert not LARGE & set(modules)
    assert len(modules) <= MOST_MODULES


@pytest.mark.parametrize("arguments", [["segsr", "--help"], ["segsr", "compare", "--help"], ["basicsr", "--help"]])
def test_help_takes_little_time(tmp_path, arguments):
    program = "import sys, segsr_commands; sys.argv = sys.argv[1:]; sys.exit(getattr(segsr_commands, sys.argv[0])())"
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, env=variables, check=True, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime <= MOST_CPU_SECONDS


def test_what_a_command_does_has_the_whole_package(tmp_path):
    """Also where the package was put in its place unexecuted: BasicSR is repaired, and everything registered."""
    program = """\
import sys, segsr_commands
sys.argv = ["segsr", "evaluate", "--list"]
assert segsr_commands.segsr() == 0
import segsr_arch
from basicsr.utils.registry import ARCH_REGISTRY
assert ARCH_REGISTRY.get("SeGSR") and segsr_arch.compat.status()["registries"], segsr_arch.__version__
"""
    ended = run_command([sys.executable, "-c", program], cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "y-crop" in ended.stdout


def test_a_wrong_argument_of_a_subcommand_is_told_at_once(tmp_path):
    program = """\
import atexit, sys, segsr_commands
atexit.register(lambda: print("torch" in sys.modules))
sys.argv = ["segsr", "report", "x", "--images", "many"]
segsr_commands.segsr()
"""
    ended = run_command([sys.executable, "-c", program], cwd=tmp_path)
    assert ended.returncode == 2 and "'many' is not a whole number" in ended.stderr
    assert ended.stdout == "False\n"


def test_threads_of_a_network_sleep_while_a_raster_is_read_and_written_unless_the_user_says_otherwise(tmp_path):
    program = """\
import os, sys, segsr_commands
sys.argv = ["segsr", *sys.argv[1:]]
segsr_commands.segsr()
print(os.environ.get("OMP_WAIT_POLICY"), "torch" in sys.modules)
"""
    variables = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}

    def policy(*arguments, **more):
        env = {**variables, "PYTHONPATH": str(ROOT), **more}
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True).stdout.splitlines()[-1]

    assert policy("upscale", "none.tif", "out.tif") == "PASSIVE True"
    assert policy("upscale", "none.tif", "out.tif", OMP_WAIT_POLICY="ACTIVE") == "ACTIVE True"
    assert policy("evaluate", "--list") == "None True"
