"""Commands that are killed without warning, as the system does when memory or power is gone."""

import sys
import time
from pathlib import Path

import torch

from tests.support import processes_with, runs, started

_END_SECONDS = 60  # one that is just importing notices when it has done so


def killed(command, *, cwd, when, seconds=120):
    """Start a command and kill it, and it alone: its children have to notice by themselves.

    Args:
        command: Arguments after ``python``.
        cwd: Working directory.
        when: Called over and over with the seconds since the start; true kills. It may read files, nothing else.
        seconds: How long the command may take without being killed.

    Returns:
        Whether it was killed (or had ended before), and its output.

    Raises:
        AssertionError: If a child is still there a minute after its parent.
    """
    mark = f"campaign-{time.monotonic_ns()}"
    begin = time.monotonic()
    log = Path(cwd, f"{mark}.log")
    with (
        open(log, "w") as printed,
        started(
            [sys.executable, *command], cwd=cwd, seconds=seconds, stdout=printed, stderr=printed, CAMPAIGN_RUN=mark
        ) as process,
    ):
        while process.poll() is None and not when(time.monotonic() - begin):
            time.sleep(0.005)
        process.kill()
        process.wait()
        give_up = time.monotonic() + _END_SECONDS
        while any(map(runs, orphans := processes_with(f"CAMPAIGN_RUN={mark}"))):
            assert time.monotonic() < give_up, f"{len(orphans)} processes outlive their parent {process.pid}"
            time.sleep(0.02)
    output = log.read_text(errors="replace")
    log.unlink()
    return process.returncode < 0, output


def partial(folder):
    """Names of partial files and folders that are left below a folder."""
    return [path.name for path in Path(folder).rglob("*") if path.name.endswith((".partial", "_partial"))]


def unreadable(folder):
    """A line for each file of weights below a folder that torch cannot read."""
    lines = []
    for path in (*Path(folder).rglob("*.pth"), *Path(folder).rglob("*.state")):
        try:
            torch.load(path, weights_only=True, map_location="cpu")
        except Exception as error:
            lines.append(f"{path}: {error}")
    return lines
