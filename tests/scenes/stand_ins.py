"""Scenes that are a line of text, and a network that writes it in capitals: what many of them need, without rasters."""

import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from segsr_arch.errors import DataError, WeightsError
from segsr_arch.files.text_files import write_text
from segsr_arch.scenes.many.jobs import find_tasks


@dataclass(frozen=True)
class TextReport:
    name: str
    skipped: bool
    notes: tuple = ("it is a text",)

    def line(self):
        return f"{self.name}: {'done before' if self.skipped else 'done'}"


def make_network(notes, *, refuses=False):
    """Note which process made a network, and make it."""
    note(notes, f"made {os.getpid()}")
    if refuses:
        raise WeightsError("net.pth: is no file of weights")
    return str.upper


def note(notes, line):
    with open(notes, "a") as file:
        file.write(f"{line}\n")


def noted(notes, word):
    """What was noted after a word, in the order of the notes."""
    lines = Path(notes).read_text().splitlines()
    return [line.split(" ", 1)[1] for line in lines if line.startswith(f"{word} ")]


def upscale_text(task, network, *, notes, killed=(), times=1, slow=()):
    """Write a text in capitals; the process is killed the first times that certain ones come."""
    name = Path(task.src).name
    text = Path(task.src).read_text()
    if task.dst.exists() and task.dst.read_text() == network(text):
        return TextReport(name, skipped=True)
    note(notes, f"begun {name}")
    if name in killed and noted(notes, "begun").count(name) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    if name in slow:
        time.sleep(60)
    if text == "bad":
        raise DataError(f"{task.src}: its text is bad")
    if text == "defect":
        raise ZeroDivisionError("division by zero")
    task.dst.parent.mkdir(parents=True, exist_ok=True)
    write_text(task.dst, network(text))
    return TextReport(name, skipped=False)


def text_tasks(folder, count, **special):
    """Write so many texts, certain ones with their own content, and list them as tasks."""
    (folder / "in").mkdir(exist_ok=True)
    for number in range(count):
        name = f"s{number:02}"
        (folder / f"in/{name}.tif").write_text(special.get(name, f"text {number}"))
    return find_tasks(folder / "in", folder / "out")


def recipe(folder, **options):
    return partial(make_network, folder / "notes", **options)


def written(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}
