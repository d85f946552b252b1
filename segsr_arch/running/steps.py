"""Commands that are carried out by another one, step by step, each as a user would type it."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from segsr_arch.errors import SegsrError
from segsr_arch.running.processes import available_cores, child_variables

_SHOWN_LINES = ("[epoch:", "# psnr", "# ssim", "RANDOM", "rror", "arning:", ": done:")  # of what the commands say
_MOST_THREADS = 4  # such networks are small
_STOP_SECONDS = 120  # a training that is interrupted saves its state first


def _environment(threads: int | None) -> dict[str, str]:
    """Environment of the steps: threads that leave a core to other programs, unless the user has said otherwise.

    OpenMP's threads wait for one another after every operation, and spin meanwhile. Where another program holds a core,
    the one that is waited for does not run, and a training on all cores becomes many times slower.
    """
    usual = max(1, min(_MOST_THREADS, available_cores() - 1))
    return {"OMP_NUM_THREADS": str(threads or usual), "OMP_WAIT_POLICY": "PASSIVE", **os.environ, **child_variables()}


def run_step(folder: Path, title: str, module: str, *arguments: str, threads: int | None = None) -> float:
    """Run one command of this package in a folder, showing it as a user would type it, and the lines that matter.

    Args:
        folder: Where; a file of the first word of the title, ``.log``, gets everything it says.
        title: What it does.
        module: The command.
        arguments: Its arguments.
        threads: Threads of torch unless the user has said otherwise; ``None`` leaves a core to other programs.

    Returns:
        Its seconds.

    Raises:
        SegsrError: If it fails.
    """
    name = module.rsplit(".", 1)[-1]
    print(f"\n== {title}\n$ cd {folder} && {name} {shlex.join(arguments)}", flush=True)
    start = time.monotonic()
    log = folder / f"{title.split()[0].lower()}.log"
    with open(log, "ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env=_environment(threads),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                stream.write(line.encode())
                if any(mark in line for mark in _SHOWN_LINES):
                    print("  " + re.sub(r"^[\d: ,-]+(INFO|WARNING): |\[[^][]*\.\.\]", "", line.strip()), flush=True)
        except BaseException:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                stream.write(process.communicate(timeout=_STOP_SECONDS)[0].encode())
            raise
        process.stdout.close()
    if process.wait():
        raise SegsrError(f"{title} failed with exit code {process.returncode}; everything it said is in {log}.")
    return time.monotonic() - start
